"""Commands on replays: sending again what was sent, or was not, over a span of time."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from flowtask_contracts.base import Contract, Instant, Text
from flowtask_contracts.commands.webhooks import Pattern, WebhookCommand


class Replayed(StrEnum):
    """What may be replayed: deliveries by their status, and `missing`, events that never became a delivery of the endpoint."""

    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    HELD = "held"
    DELIVERED = "delivered"
    MISSING = "missing"


MISSED = (Replayed.FAILED, Replayed.EXPIRED, Replayed.CANCELLED, Replayed.HELD, Replayed.MISSING)
"""What did not arrive."""

LOST = tuple(each for each in MISSED if each is not Replayed.CANCELLED)
"""The same without what somebody did not want any more: what a recovery is of."""


class ReplayStatus(StrEnum):
    """Where a replay stands; a dry run is `planned`, and nothing comes of it."""

    PLANNED = "planned"
    COUNTING = "counting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class WaitingFor(StrEnum):
    """What holds a replay up: the webhook is off, or its circuit is open."""

    WEBHOOK = "webhook"
    CIRCUIT = "circuit"


class Replay(Contract):
    """Sending again what a webhook was sent or missed: events from `since` to before `until`, of these types and in these states.

    `total` is always `delivered`, `failed`, `skipped` and `remaining` together. `skipped` counts what was not sent: events that
    were erased, and what was in none of the states any more when its turn came. Of one that was cancelled `remaining` was not sent.
    """

    id: UUID | None = Field(description="Null for a dry run.", examples=["019338f4-8c00-7000-8000-000000000003"])
    endpoint_id: UUID
    recovery: bool = Field(description="Whether it sends what was missed (`/recover`).", examples=[False])
    status: ReplayStatus = Field(examples=["running"])
    waiting_for: WaitingFor | None = Field(default=None, examples=[None])
    since: Instant
    until: Instant
    statuses: tuple[Replayed, ...] = Field(examples=[["failed", "missing"]])
    events: tuple[str, ...] = Field(examples=[["*"]])
    total: int = Field(examples=[1200])
    total_capped: bool = Field(
        default=False,
        description="Whether there are more than `total`: of a dry run that found very many, and while it is `counting`.",
        examples=[False],
    )
    done: int = Field(description="`delivered`, `failed` and `skipped` together.", examples=[700])
    delivered: int = Field(examples=[690])
    failed: int = Field(examples=[8])
    skipped: int = Field(examples=[2])
    remaining: int = Field(examples=[500])
    created_at: Instant | None = Field(default=None, description="Null for a dry run.")
    finished_at: Instant | None = Field(default=None, examples=[None])


class Replays(Contract):
    """A page of replays, newest first."""

    items: tuple[Replay, ...]
    next_cursor: str | None


class _Asking(WebhookCommand):
    endpoint_id: UUID
    recovery: bool = False
    since: Instant | None = None
    until: Instant | None = None
    statuses: tuple[Replayed, ...] = Field(default=MISSED, min_length=1, max_length=6)
    events: tuple[Pattern, ...] = Field(default=("*",), min_length=1, max_length=50)


class CountReplay(_Asking):
    """How much a replay would send; nothing is sent or kept."""

    verb = "count-replay"
    answer = Replay


class StartReplay(_Asking):
    """Send again what one endpoint was sent, or missed, in a span of time. A recovery begins where the endpoint began to miss events."""

    verb = "start-replay"
    answer = Replay
    changes = True


class GetReplay(WebhookCommand):
    """How far one replay has come."""

    verb = "get-replay"
    answer = Replay

    replay_id: UUID


class ListReplays(WebhookCommand):
    """Replays of the workspace, or of one endpoint, newest first."""

    verb = "list-replays"
    answer = Replays

    endpoint_id: UUID | None = None
    cursor: Text | None = None
    limit: int = Field(default=20, ge=1, le=100)


class CancelReplay(WebhookCommand):
    """Have a replay send nothing more; what is under way arrives. What waited is as it was before. Repeating changes nothing."""

    verb = "cancel-replay"
    answer = Replay
    changes = True

    replay_id: UUID
