"""Synchronization over HTTP."""

from typing import Annotated

from fastapi import Query

from flowtask_kit.http.envelope import Envelope

from ..auth.dependencies import Authenticated
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Directly
from . import service
from .schemas import Changes, SyncQuery

router = api_router("Sync", "/sync", resource=Resource.SYNC)


@router.get("", summary="Get changes")
async def get_changes(
    direct: Directly, caller: Authenticated, asked: Annotated[SyncQuery, Query()]
) -> Envelope[Changes]:
    """Everything that was created, changed or deleted since the token, deletions for 90 days."""
    return Envelope(data=await service.changes(direct, caller, asked))
