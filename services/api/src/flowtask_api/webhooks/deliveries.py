"""Deliveries over HTTP; owners and admins only."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, status

from flowtask_contracts.commands.webhooks import Delivery, DeliveryDetail
from flowtask_kit.http.envelope import CursorMeta, Envelope

from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Asking
from ..idempotency.dependencies import IdempotencyKey
from . import service
from .schemas import ListDeliveriesQuery

router = api_router("Webhook deliveries", resource=Resource.WEBHOOKS)


@router.get("/webhooks/{webhook_id}/deliveries", summary="List a webhook's deliveries")
async def list_deliveries(
    caller: Admin, commands: Asking, webhook_id: UUID, asked: Annotated[ListDeliveriesQuery, Query()]
) -> Envelope[tuple[Delivery, ...]]:
    """What was and will be sent to an endpoint, newest event first."""
    page = await service.list_deliveries(commands, caller, webhook_id, asked)
    return Envelope(data=page.items, meta=CursorMeta(per_page=asked.per_page, next_cursor=page.next_cursor))


@router.get("/deliveries/{delivery_id}", summary="Get a delivery")
async def get_delivery(caller: Admin, commands: Asking, delivery_id: UUID) -> Envelope[DeliveryDetail]:
    """One delivery with its body and every attempt."""
    return Envelope(data=await service.get_delivery(commands, caller, delivery_id))


@router.post("/deliveries/{delivery_id}/retry", status_code=status.HTTP_202_ACCEPTED, summary="Retry a delivery")
async def retry_delivery(caller: Admin, commands: Asking, key: IdempotencyKey, delivery_id: UUID) -> Envelope[Delivery]:
    """Attempt a delivery once more now, outside its schedule."""
    return Envelope(data=await service.retry_delivery(commands, caller, delivery_id, key))
