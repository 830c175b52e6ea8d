"""Commands on what was sent to endpoints: finding it, sending it again, erasing it."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field, JsonValue

from flowtask_contracts.base import Contract, Instant, Text
from flowtask_contracts.commands.webhooks import Done, WebhookCommand


class DeliveryStatus(StrEnum):
    """Where a delivery stands; `pending` means that an attempt is due or under way, `expired` that none could be made for five days."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    HELD = "held"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Trigger(StrEnum):
    """Why an attempt was made; `recovery` is another round for what ran out of tries just before the circuit opened."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    REPLAY = "replay"
    RECOVERY = "recovery"


class Header(Contract):
    """A header as it was sent."""

    name: str = Field(examples=["Content-Type"])
    value: str = Field(examples=["application/json"])


class Exchange(Contract):
    """One request and what came back: a status code, or an error where there was no answer.

    Times are milliseconds, null for what did not take place: on a connection that was kept there is only `firstByteMs`.
    """

    at: Instant
    duration_ms: int = Field(examples=[42])
    dns_ms: float | None = Field(default=None, examples=[None])
    connect_ms: float | None = Field(default=None, examples=[None])
    tls_ms: float | None = Field(default=None, examples=[None])
    first_byte_ms: float | None = Field(default=None, examples=[41.3])
    status_code: int | None = Field(examples=[204])
    error: str | None = Field(
        default=None, description="Why there was no answer, in words.", examples=["The certificate has expired."]
    )
    error_code: str | None = Field(default=None, description="The same as a code.", examples=["tls_expired"])
    request_headers: tuple[Header, ...] = ()
    response_headers: tuple[Header, ...] = ()
    response_body: str | None = Field(
        default=None, description="The first 16 KiB, as text.", examples=['{"received": true}']
    )
    response_truncated: bool = Field(default=False, description="Whether the answer was longer, or broke off.")


class Attempt(Exchange):
    """An attempt at a delivery: one request and what came back, a status code or an error where there was no answer.

    Times are milliseconds, null for what did not take place: on a connection that was kept there is only `firstByteMs`.
    """

    number: int = Field(examples=[1])
    trigger: Trigger
    next_attempt_at: Instant | None = Field(
        default=None,
        description="When the one after it was made, or is to be made; null for the last one.",
        examples=["2026-11-22T13:41:54.551Z"],
    )
    trace_id: str | None = Field(default=None, examples=["4bf92f3577b34da6a3ce929d0e0e4736"])


class Delivery(Contract):
    """One event on its way to one endpoint."""

    id: UUID
    event_id: UUID
    endpoint_id: UUID
    event: str = Field(examples=["task.completed"])
    resource_id: str = Field(examples=["01a20400-0000-7000-8000-02dea4eb4d20"])
    status: DeliveryStatus = Field(examples=["delivered"])
    attempts: int = Field(examples=[1])
    created_at: Instant
    last_attempt_at: Instant | None
    next_attempt_at: Instant | None = Field(examples=[None])
    last_status_code: int | None = Field(examples=[204])
    last_error: str | None = Field(examples=[None])
    blocked_by: UUID | None = Field(
        default=None,
        description="The delivery that it waits behind, where the webhook is ordered: the first one of its key.",
        examples=[None],
    )
    blocks_since: Instant | None = Field(
        default=None,
        description="Since when it holds up its key, given up as it is; where the webhook has `afterLastTry: block`.",
        examples=[None],
    )


class DeliveryDetail(Delivery):
    """A delivery with its body, null once its event was erased, and its attempts, oldest first.

    Where they do not fit into one answer it has the latest ones, and `earlierAttempts` says how many there are before them.
    """

    payload: dict[str, JsonValue] | None = Field(
        examples=[{"event": "task.completed", "data": {"title": "Write the launch announcement", "status": "DONE"}}]
    )
    attempt_log: tuple[Attempt, ...]
    earlier_attempts: int = Field(
        default=0, description="Attempts before those shown; `attemptsBefore` asks for them.", examples=[0]
    )


class Deliveries(Contract):
    """A page of deliveries, newest event first."""

    items: tuple[Delivery, ...]
    next_cursor: str | None


class ListDeliveries(WebhookCommand):
    """Deliveries of the workspace, or of one endpoint, newest event first."""

    verb = "list-deliveries"
    answer = Deliveries

    endpoint_id: UUID | None = None
    event_id: UUID | None = None
    resource_id: Text | None = None
    status: DeliveryStatus | None = None
    event: Text | None = None
    since: Instant | None = None
    until: Instant | None = None
    cursor: Text | None = None
    limit: int = Field(default=20, ge=1, le=100)


class GetDelivery(WebhookCommand):
    """One delivery with its latest attempts, or with those before the one of a number."""

    verb = "get-delivery"
    answer = DeliveryDetail

    delivery_id: UUID
    attempts_before: int | None = Field(default=None, ge=1)


class RetryDelivery(WebhookCommand):
    """Attempt a delivery once more now, outside its schedule."""

    verb = "retry-delivery"
    answer = Delivery
    changes = True

    delivery_id: UUID


class EraseEvent(WebhookCommand):
    """Remove the content of one event: its payload, and what was sent and answered. What is still due is cancelled."""

    verb = "erase-event"
    answer = Done
    changes = True

    event_id: UUID
