"""Asking the service that keeps events; the catalogue needs nobody."""

from uuid import UUID

from flowtask_contracts.commands.webhook_events import EventDetail, GetEvent, ListEvents, WorkspaceEvents
from flowtask_contracts.event_types import EventType, event_types
from flowtask_kit.bus.commands import Commands

from ..auth.models import Caller
from .errors import EventTypeNotFound
from .schemas import ListEventsQuery


async def list_events(commands: Commands, caller: Caller, asked: ListEventsQuery) -> WorkspaceEvents:
    """Events of the workspace, newest first."""
    command = ListEvents(
        workspace_id=caller.workspace_id,
        resource_id=asked.resource_id,
        type=asked.type,
        since=asked.since,
        until=asked.until,
        cursor=asked.cursor,
        limit=asked.per_page,
    )
    return await commands.ask(command, WorkspaceEvents)


async def get_event(commands: Commands, caller: Caller, event_id: UUID) -> EventDetail:
    """One event."""
    return await commands.ask(GetEvent(workspace_id=caller.workspace_id, event_id=event_id), EventDetail)


def event_type(name: str) -> EventType:
    """One type; EventTypeNotFound."""
    try:
        return event_types()[name]
    except KeyError:
        raise EventTypeNotFound from None
