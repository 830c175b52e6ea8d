"""The audit log over HTTP; owners and admins only."""

from typing import Annotated

from fastapi import Query

from flowtask_kit.http.envelope import Envelope

from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Tx
from . import service
from .schemas import AuditEntry, ListEntriesQuery

router = api_router("Audit log", "/audit-log", resource=Resource.AUDIT_LOG)


@router.get("", summary="List audit entries")
async def list_entries(
    tx: Tx, caller: Admin, asked: Annotated[ListEntriesQuery, Query()]
) -> Envelope[tuple[AuditEntry, ...]]:
    """Who has changed what in the workspace, newest first."""
    page = await service.list_entries(tx, caller, asked)
    return Envelope(data=tuple(entry.view() for entry in page.rows), meta=page.meta)
