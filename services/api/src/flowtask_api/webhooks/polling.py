"""Fetching events over HTTP, for receivers that cannot be reached; owners and admins only, with the scope of reading."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from flowtask_contracts.commands.webhook_polls import PolledEvents
from flowtask_contracts.errors import Conflict, NotFound
from flowtask_kit.http.envelope import Envelope

from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Asking
from ..http.refusals import may_raise
from . import service
from .schemas import PollQuery

router = api_router("Webhooks", "/webhooks", resource=Resource.WEBHOOKS)


@router.get("/{webhook_id}/poll", summary="Poll a webhook")
@may_raise(NotFound, Conflict)
async def poll_webhook(
    caller: Admin, commands: Asking, webhook_id: UUID, asked: Annotated[PollQuery, Query()]
) -> Envelope[PolledEvents]:
    """Fetch the events of a webhook that was created with `delivery: poll`, and acknowledge those that were fetched before.

    Take care of `items`, then ask with `nextCursor`: what came before it counts as delivered from then on. Whoever asks with an older
    cursor gets the same again. What happens later always comes after the cursors that were given out, so none is missed.
    """
    return Envelope(data=await service.poll(commands, caller, webhook_id, asked))
