"""What is held up at ordered webhooks, over HTTP; owners and admins only."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from flowtask_contracts.commands.webhook_deliveries import Delivery
from flowtask_contracts.commands.webhook_ordering import AttemptUnderWay, HeldKey, HoldsUpNothing
from flowtask_kit.http.envelope import CursorMeta, Envelope

from ..audit.asking import AskingRecorded
from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Asking
from ..http.paging import CursorQuery
from ..http.refusals import may_raise
from . import service

router = api_router("Webhook deliveries", resource=Resource.WEBHOOKS)


@router.get("/webhooks/{webhook_id}/held-keys", summary="List what a webhook's order holds up")
async def list_held_keys(
    caller: Admin, commands: Asking, webhook_id: UUID, asked: Annotated[CursorQuery, Query()]
) -> Envelope[tuple[HeldKey, ...]]:
    """The resources or projects whose events wait for one that has failed, that one, and how many wait; the oldest first."""
    page = await service.list_held_keys(commands, caller, webhook_id, asked)
    return Envelope(data=page.items, meta=CursorMeta(per_page=asked.per_page, next_cursor=page.next_cursor))


@router.post("/deliveries/{delivery_id}/skip", summary="Skip a delivery")
@may_raise(HoldsUpNothing, AttemptUnderWay)
async def skip_delivery(caller: Admin, commands: AskingRecorded, delivery_id: UUID) -> Envelope[Delivery]:
    """Give up a delivery to an ordered webhook, so that those behind it go on: it is `cancelled`, or stays `failed`."""
    return Envelope(data=await service.skip_delivery(commands, caller, delivery_id))
