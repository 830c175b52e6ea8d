"""The command by which a receiver that cannot be reached fetches its events."""

from uuid import UUID

from pydantic import Field, JsonValue

from flowtask_contracts.base import Contract, Text
from flowtask_contracts.commands.webhooks import WebhookCommand


class PolledEvent(Contract):
    """An event as it would be sent: the same ids and the same body, but without a signature."""

    id: UUID = Field(description="What a webhook has as `webhook-id`.")
    event: str = Field(examples=["task.completed"])
    delivery_id: UUID
    payload: dict[str, JsonValue] = Field(
        description="What a webhook has as its body.",
        examples=[{"event": "task.completed", "data": {"title": "Write the launch announcement", "status": "DONE"}}],
    )


class PolledEvents(Contract):
    """Events in the order in which they are handed out, and the cursor that acknowledges them; `has_more` that others wait."""

    items: tuple[PolledEvent, ...]
    next_cursor: str = Field(
        description="Asking with it acknowledges these events, and all before them.",
        examples=["AaIEAAAAcACAAALepOtNIAAAAAAAAAAB"],
    )
    has_more: bool = Field(description="Whether others wait already.")


class PollEndpoint(WebhookCommand):
    """Acknowledge what was handed out up to a cursor, and hand out what comes behind it; without one what is not acknowledged.

    It may be repeated: with the same cursor the same events come again, as long as they are kept.
    """

    verb = "poll-endpoint"
    answer = PolledEvents

    endpoint_id: UUID
    cursor: Text | None = None
    limit: int = Field(default=20, ge=1, le=100)
