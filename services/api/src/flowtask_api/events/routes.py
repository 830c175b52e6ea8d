"""Events and their types over HTTP; owners and admins only, as all that concerns webhooks."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from flowtask_contracts.commands.webhook_events import EventDetail, WorkspaceEvent
from flowtask_contracts.event_types import EventType, event_types
from flowtask_kit.http.envelope import CursorMeta, Envelope

from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Asking
from ..http.refusals import may_raise
from . import service
from .errors import EventTypeNotFound
from .schemas import ListEventsQuery, TypeName

router = api_router("Events", resource=Resource.WEBHOOKS)


@router.get("/events", summary="List events")
async def list_events(
    caller: Admin, commands: Asking, asked: Annotated[ListEventsQuery, Query()]
) -> Envelope[tuple[WorkspaceEvent, ...]]:
    """What has happened in the last 30 days, newest first, sent to webhooks or not: by resource, type and time."""
    page = await service.list_events(commands, caller, asked)
    return Envelope(data=page.items, meta=CursorMeta(per_page=asked.per_page, next_cursor=page.next_cursor))


@router.get("/events/{event_id}", summary="Get an event")
async def get_event(caller: Admin, commands: Asking, event_id: UUID) -> Envelope[EventDetail]:
    """One event: what a webhook with all of it says, and its deliveries."""
    return Envelope(data=await service.get_event(commands, caller, event_id))


@router.get("/event-types", summary="List event types")
async def list_event_types(_caller: Admin) -> Envelope[tuple[EventType, ...]]:
    """Every type that webhooks can be of, with the JSON Schema of its body and a sample."""
    return Envelope(data=tuple(event_types().values()))


@router.get("/event-types/{event_type}", summary="Get an event type")
@may_raise(EventTypeNotFound)
async def get_event_type(_caller: Admin, event_type: TypeName) -> Envelope[EventType]:
    """One type, with the JSON Schema of its body and a sample."""
    return Envelope(data=service.event_type(event_type))
