"""Deliveries over HTTP; owners and admins only."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from flowtask_contracts.commands.webhook_deliveries import Delivery, DeliveryDetail
from flowtask_kit.http.envelope import CursorMeta, Envelope

from ..audit.asking import AskingRecorded
from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Asking
from . import service
from .schemas import AttemptsQuery, ListDeliveriesQuery, SearchDeliveriesQuery

router = api_router("Webhook deliveries", resource=Resource.WEBHOOKS)


@router.get("/webhooks/{webhook_id}/deliveries", summary="List a webhook's deliveries")
async def list_deliveries(
    caller: Admin, commands: Asking, webhook_id: UUID, asked: Annotated[ListDeliveriesQuery, Query()]
) -> Envelope[tuple[Delivery, ...]]:
    """What was and will be sent to an endpoint, newest event first."""
    page = await service.list_deliveries(commands, caller, webhook_id, asked)
    return Envelope(data=page.items, meta=CursorMeta(per_page=asked.per_page, next_cursor=page.next_cursor))


@router.get("/deliveries", summary="Search deliveries")
async def search_deliveries(
    caller: Admin, commands: Asking, asked: Annotated[SearchDeliveriesQuery, Query()]
) -> Envelope[tuple[Delivery, ...]]:
    """Deliveries to all endpoints of the workspace, newest event first: by resource, type, status and time."""
    page = await service.list_deliveries(commands, caller, None, asked)
    return Envelope(data=page.items, meta=CursorMeta(per_page=asked.per_page, next_cursor=page.next_cursor))


@router.get("/deliveries/{delivery_id}", summary="Get a delivery")
async def get_delivery(
    caller: Admin, commands: Asking, delivery_id: UUID, asked: Annotated[AttemptsQuery, Query()]
) -> Envelope[DeliveryDetail]:
    """One delivery with its body and its attempts; where they say too much for one answer, with the latest of them."""
    return Envelope(data=await service.get_delivery(commands, caller, delivery_id, asked.attempts_before))


@router.post("/deliveries/{delivery_id}/retry", status_code=status.HTTP_202_ACCEPTED, summary="Retry a delivery")
async def retry_delivery(caller: Admin, commands: AskingRecorded, delivery_id: UUID) -> Envelope[Delivery]:
    """Attempt a delivery once more now, outside its schedule."""
    return Envelope(data=await service.retry_delivery(commands, caller, delivery_id))


@router.delete(
    "/events/{event_id}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response, summary="Erase an event"
)
async def erase_event(caller: Admin, commands: AskingRecorded, event_id: UUID) -> None:
    """Remove the content of one event: its payload, and what was sent and answered.

    That it was, and when, stays on record; what is still due is cancelled. An attempt under way may still arrive.
    """
    await service.erase_event(commands, caller, event_id)
