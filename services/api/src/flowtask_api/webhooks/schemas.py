"""Webhook endpoints and deliveries as callers send and see them."""

import operator
from typing import Annotated

from pydantic import Field

from flowtask_contracts.base import Instant, Text
from flowtask_contracts.commands.webhooks import (
    AtOnce,
    DeliveryStatus,
    Endpoint,
    Pattern,
    Period,
    PerPeriod,
    RetryOn,
    RetryPolicy,
    Url,
    Waits,
)
from flowtask_contracts.events import PUBLIC_TYPES

from ..http.paging import CursorQuery
from ..http.schemas import Body, Flag

_KNOWN = [*PUBLIC_TYPES, *dict.fromkeys(name.partition(".")[0] + ".*" for name in PUBLIC_TYPES), "*"]

Patterns = Annotated[
    tuple[Annotated[Pattern, Field(json_schema_extra={"enum": _KNOWN})], ...],  # the service that owns them decides
    Field(
        min_length=1,
        max_length=50,
        description="Event types; `task.*` is all of one kind, `*` all there are.",
        examples=[["task.created", "project.*"]],
    ),
]
_SCHEDULE = "The waits of the retryPolicy `custom`, in seconds, together 432,000 (five days) at most; no other policy takes any."
Note = Annotated[Text, Field(max_length=500)]


class CreateWebhook(Body):
    """A new subscription."""

    url: Url
    events: Patterns
    description: Note | None = None
    active: Flag = True
    retry_policy: RetryPolicy = Field(default=RetryPolicy.STANDARD, examples=["custom"])
    retry_schedule: Waits | None = Field(default=None, description=_SCHEDULE)
    retry_on: RetryOn = RetryOn.SERVER
    rate_limit: PerPeriod | None = None
    rate_period_seconds: Period = 1
    max_concurrency: AtOnce | None = None


class UpdateWebhook(Body):
    """The fields to change; those left out stay as they are."""

    url: Url = Field(default_factory=str)
    events: Patterns = Field(default_factory=tuple)
    description: Note | None = None
    active: Flag = Field(default_factory=bool)
    retry_policy: RetryPolicy = Field(default_factory=lambda: RetryPolicy.STANDARD, examples=["custom"])
    retry_schedule: Waits = Field(default_factory=tuple, description=_SCHEDULE)
    retry_on: RetryOn = Field(default_factory=lambda: RetryOn.SERVER)
    rate_limit: PerPeriod | None = None
    rate_period_seconds: Period = Field(default_factory=int)
    max_concurrency: AtOnce | None = None


class Webhook(Endpoint):
    """A subscriber. `secret` signs what is sent to it and is shown only when it is created."""

    secret: str | None = Field(default=None, exclude_if=operator.not_)
    secret_shown: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="True in the answer to a repeated creation, whose first answer has shown the secret.",
    )


class CreatedWebhook(Webhook):
    """A new subscriber, with its secret for this once; a repeat of the Idempotency-Key has none."""

    secret: str | None = Field(
        default=None, exclude_if=operator.not_, examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    )


class ListDeliveriesQuery(CursorQuery):
    """Which deliveries to list."""

    status: DeliveryStatus | None = None
    event: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.\-]{1,100}$", description="An event type.")
    since: Instant | None = Field(default=None, description="Only deliveries of events at or after this moment.")
    until: Instant | None = Field(default=None, description="Only deliveries of events before this moment.")


class SearchDeliveriesQuery(ListDeliveriesQuery):
    """Which deliveries to list, of all endpoints."""

    resource_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.\-]{1,100}$",
        description="The task, project or other resource that the events are of.",
    )
