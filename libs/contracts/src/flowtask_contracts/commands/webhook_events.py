"""Commands on what has happened, whether or not anybody was sent it."""

from uuid import UUID

from pydantic import Field, JsonValue

from flowtask_contracts.base import Contract, Instant, Text
from flowtask_contracts.commands.webhook_deliveries import Delivery
from flowtask_contracts.commands.webhooks import WebhookCommand


class WorkspaceEvent(Contract):
    """Something that has happened in the workspace, sent to webhooks or not. What it says is told for one event at a time."""

    id: UUID = Field(description="In webhooks it is `id`, and `webhook-id`.")
    type: str = Field(examples=["task.completed"])
    resource_id: str = Field(examples=["01a20400-0000-7000-8000-02dea4eb4d20"])
    time: Instant = Field(description="When it was put on record, by its id.")
    erased_at: Instant | None = Field(
        default=None, description="When its content was erased; null while it is there.", examples=[None]
    )


class WorkspaceEvents(Contract):
    """A page of events, newest first."""

    items: tuple[WorkspaceEvent, ...]
    next_cursor: str | None


class EventDetail(WorkspaceEvent):
    """An event with what a webhook with all of it says, and with its deliveries, one for each webhook that it matched.

    `payload` has no `deliveryId`, which is each webhook's own, and is null once the event was erased.
    """

    payload: dict[str, JsonValue] | None = Field(
        examples=[{"event": "task.completed", "data": {"title": "Write the launch announcement", "status": "DONE"}}]
    )
    deliveries: tuple[Delivery, ...]
    more_deliveries: bool = Field(
        default=False, description="Whether there are more than are shown: `GET /deliveries?eventId=` lists all."
    )


class ListEvents(WebhookCommand):
    """Events of the workspace, newest first: of a resource, of a type or a group of types (`task.*`), of a time."""

    verb = "list-events"
    answer = WorkspaceEvents

    resource_id: Text | None = None
    type: Text | None = None
    since: Instant | None = None
    until: Instant | None = None
    cursor: Text | None = None
    limit: int = Field(default=20, ge=1, le=100)


class GetEvent(WebhookCommand):
    """One event with its content and its deliveries."""

    verb = "get-event"
    answer = EventDetail

    event_id: UUID
