"""Commands on ordered endpoints: what is held up behind what, and going on without it."""

from uuid import UUID

from pydantic import Field

from flowtask_contracts.base import Contract, Instant, Text
from flowtask_contracts.commands.webhook_deliveries import Delivery, DeliveryStatus
from flowtask_contracts.commands.webhooks import Ordering, WebhookCommand
from flowtask_contracts.errors import Conflict

MOST_COUNTED = 1000


class HoldsUpNothing(Conflict):
    """Nothing can wait for this delivery: its webhook is not ordered, or it is settled."""

    message = "No other delivery waits for this one"


class AttemptUnderWay(Conflict):
    """What is being sent cannot be skipped; in less than half a minute it is settled, or waits for its next try."""

    message = "This delivery is being sent at the moment; try again when the attempt has ended"


class HeldKey(Contract):
    """A resource, or a project, whose events wait, and the delivery that they wait for: one that has failed at least once.

    While it is tried again its status is `pending`; `failed` is one that blocks until somebody decides.
    """

    key: str = Field(description="The id of it.", examples=["01a20400-0000-7000-8000-02dea4eb4d20"])
    ordering: Ordering = Field(description="What the key is the id of.", examples=["resource"])
    delivery_id: UUID
    event_id: UUID
    event: str = Field(examples=["task.updated"])
    resource_id: str = Field(examples=["01a20400-0000-7000-8000-02dea4eb4d20"])
    status: DeliveryStatus = Field(examples=["failed"])
    attempts: int = Field(examples=[4])
    since: Instant | None = Field(
        description="When it was first tried; null when that attempt is no longer kept.",
        examples=["2026-11-22T13:41:53.422Z"],
    )
    next_attempt_at: Instant | None = Field(examples=[None])
    blocks_since: Instant | None = Field(
        description="When it was given up, if it blocks.", examples=["2026-11-22T13:42:24.120Z"]
    )
    last_status_code: int | None = Field(examples=[500])
    last_error: str | None = Field(examples=[None])
    waiting: int = Field(description="Deliveries behind it; counted up to 1,000.", examples=[12])
    waiting_capped: bool = Field(default=False, description="Whether there are more than were counted.")


class HeldKeys(Contract):
    """A page of held keys, the longest waiting event first."""

    items: tuple[HeldKey, ...]
    next_cursor: str | None


class ListHeldKeys(WebhookCommand):
    """The keys of an ordered endpoint that are held up."""

    verb = "list-held-keys"
    answer = HeldKeys

    endpoint_id: UUID
    cursor: Text | None = None
    limit: int = Field(default=20, ge=1, le=100)


class SkipDelivery(WebhookCommand):
    """Give up a delivery to an ordered endpoint, so that those behind it go on: HoldsUpNothing, AttemptUnderWay."""

    verb = "skip-delivery"
    answer = Delivery
    changes = True

    delivery_id: UUID
