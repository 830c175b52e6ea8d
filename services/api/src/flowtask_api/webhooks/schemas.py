"""Webhook endpoints and deliveries as callers send and see them."""

import operator
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field

from flowtask_contracts.base import Instant, Text
from flowtask_contracts.commands import webhook_tests
from flowtask_contracts.commands.webhook_deliveries import DeliveryStatus
from flowtask_contracts.commands.webhook_secrets import EndpointSecret
from flowtask_contracts.commands.webhooks import (
    WAITS,
    AfterLastTry,
    AtOnce,
    Endpoint,
    Ordering,
    Pattern,
    Period,
    PerPeriod,
    RetryOn,
    RetryPolicy,
    Signature,
    Signatures,
    Url,
    Wait,
)
from flowtask_contracts.events import PUBLIC_TYPES
from flowtask_contracts.signing_secrets import OwnSecret
from flowtask_contracts.webhook_content import DeliveryMode, Headers, Metadata, PayloadForm

from ..http.paging import CursorQuery
from ..http.schemas import DAY, Body, Flag, Overlap, only_numbers
from .filter_schemas import EXAMPLE, GivenFilter

_KNOWN = [*PUBLIC_TYPES, *dict.fromkeys(name.partition(".")[0] + ".*" for name in PUBLIC_TYPES), "*"]

Patterns = Annotated[
    tuple[Annotated[Pattern, Field(json_schema_extra={"enum": _KNOWN})], ...],  # the service that owns them decides
    Field(
        min_length=1,
        max_length=50,
        description="Event types; `task.*` is all that begins with `task.`, `*` all there are.",
        examples=[["task.created", "project.*"]],
    ),
]
_SCHEDULE = "The waits of the retryPolicy `custom`, in seconds, together 432,000 (five days) at most; no other policy takes any."
_OWN = (
    "A signing secret of your own, `whsec_` and the base64 of 24 to 64 random bytes; one is made if this is left out."
)
Note = Annotated[Text, Field(max_length=500)]
_PerPeriod = Annotated[PerPeriod, BeforeValidator(only_numbers)]
_Period = Annotated[Period, BeforeValidator(only_numbers)]
_AtOnce = Annotated[AtOnce, BeforeValidator(only_numbers)]
_Waits = Annotated[tuple[Annotated[Wait, BeforeValidator(only_numbers)], ...], WAITS]
_PAYLOAD = "`full` is all of an event; `thin` its id, type and time, and the id of what it is of."


_ORDERING = (
    "Events of one `resource`, or of one `project`, are sent one after another, in the order in which they happened."
)
_AFTER_LAST_TRY = (
    "What an ordered webhook does with a delivery that was given up: `skip` it, or `block` what comes after it."
)


class CreateWebhook(Body):
    """A new subscription: `url` is where events are sent, and is left out where they are polled."""

    delivery: DeliveryMode = Field(
        default=DeliveryMode.PUSH,
        description="`push` sends events to `url`; `poll` keeps them for 30 days, to be fetched at `/webhooks/{webhookId}/poll`. "
        "It cannot be changed.",
    )
    url: Url | None = Field(
        default=None, description="Required for `push`.", examples=["https://example.com/hooks/flowtask"]
    )
    events: Patterns
    description: Note | None = None
    filter: GivenFilter | None = Field(default=None, examples=[EXAMPLE])
    payload: PayloadForm = Field(default=PayloadForm.FULL, description=_PAYLOAD)
    headers: Headers = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    active: Flag = True
    retry_policy: RetryPolicy = Field(default=RetryPolicy.STANDARD, examples=["custom"])
    retry_schedule: _Waits | None = Field(default=None, description=_SCHEDULE)
    retry_on: RetryOn = RetryOn.SERVER
    rate_limit: _PerPeriod | None = None
    rate_period_seconds: _Period = 1
    max_concurrency: _AtOnce | None = None
    ordering: Ordering = Field(default=Ordering.NONE, description=_ORDERING, examples=["resource"])
    after_last_try: AfterLastTry = Field(default=AfterLastTry.SKIP, description=_AFTER_LAST_TRY)
    signatures: Signatures = (Signature.HMAC,)
    secret: OwnSecret | None = Field(default=None, description=_OWN)


class UpdateWebhook(Body):
    """The fields to change; those left out stay as they are."""

    url: Url = Field(default_factory=str)
    events: Patterns = Field(default_factory=tuple)
    description: Note | None = None
    filter: GivenFilter | None = Field(default=None, examples=[EXAMPLE])
    payload: PayloadForm = Field(
        default_factory=lambda: PayloadForm.FULL,
        description=f"{_PAYLOAD} A change holds for events that happen from ten seconds after it.",
    )
    headers: Headers = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    active: Flag = Field(default_factory=bool)
    retry_policy: RetryPolicy = Field(default_factory=lambda: RetryPolicy.STANDARD, examples=["custom"])
    retry_schedule: _Waits = Field(default_factory=tuple, description=_SCHEDULE)
    retry_on: RetryOn = Field(default_factory=lambda: RetryOn.SERVER)
    rate_limit: _PerPeriod | None = None
    rate_period_seconds: _Period = Field(default_factory=int)
    max_concurrency: _AtOnce | None = None
    ordering: Ordering = Field(
        default_factory=lambda: Ordering.NONE,
        description=f"{_ORDERING} A change holds for events that happen from `orderedSince` on.",
        examples=["resource"],
    )
    after_last_try: AfterLastTry = Field(default_factory=lambda: AfterLastTry.SKIP, description=_AFTER_LAST_TRY)
    signatures: Signatures = Field(default_factory=tuple)


class Webhook(Endpoint):
    """A subscriber. `secret` signs what is sent to it; it is shown when it is created, and at `/webhooks/{webhookId}/secret`."""

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


class TryFilter(Body):
    """What to try out: types and filter of a webhook, or others in their place."""

    webhook_id: UUID | None = Field(default=None, description="The webhook whose types and filter are tried.")
    events: Patterns = Field(
        default_factory=tuple, description="Event types in place of the webhook's, or of all there are."
    )
    filter: GivenFilter | None = Field(
        default=None, description="A filter in place of the webhook's; null for none.", examples=[EXAMPLE]
    )
    limit: Annotated[int, BeforeValidator(only_numbers)] = Field(
        default=100, ge=1, le=100, description="How many of the latest events are judged.", examples=[100]
    )


_Sample = Annotated[
    webhook_tests.TestedType,
    Field(
        json_schema_extra={"enum": [*PUBLIC_TYPES]}, examples=["task.completed"]
    ),  # the service that owns them decides
]
_WHICH = "The type whose sample is sent."


class SendTest(Body):
    """What to test a webhook with."""

    event: _Sample = Field(default="task.created", description=_WHICH, examples=["task.completed"])


class SendTestTo(Body):
    """What to test a URL with: as a webhook there would be."""

    url: Url
    event: _Sample = Field(default="task.created", description=_WHICH, examples=["task.completed"])
    secret: OwnSecret | None = Field(default=None, description=_OWN)
    headers: Headers = Field(default_factory=dict)
    payload: PayloadForm = Field(default=PayloadForm.FULL, description=_PAYLOAD)


class SentTest(webhook_tests.SentTest):
    """A test webhook and what came back. Neither it nor its outcome counts for anything."""

    matches: bool | None = Field(
        default=None,
        description="Whether the webhook's types and filter would have had such an event sent; null without a webhook.",
        examples=[True],
    )
    secret: str | None = Field(
        default=None,
        repr=False,
        exclude_if=operator.not_,
        description="What it was signed with, where that was made for it; a repeat of the Idempotency-Key has none.",
    )
    secret_shown: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="True in the answer to a repeat, whose first has shown the secret.",
    )


class PollQuery(Body):
    """What to fetch, and what to acknowledge by that."""

    cursor: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_=\-]{1,64}$",
        description="`nextCursor` of an answer whose events are taken care of: they count as delivered now. Without one, what is "
        "not acknowledged comes, once more where it has come already.",
    )
    limit: int = Field(default=20, ge=1, le=100, description="How many events, at most.")


class RotateSecret(Body):
    """How the present secret gives way to the next one."""

    secret: OwnSecret | None = Field(default=None, description=_OWN)
    overlap_seconds: Overlap = Field(
        default=DAY, description="How long the present secret signs beside the new one; 0 ends all others at once."
    )


class WebhookSecret(EndpointSecret):
    """What webhooks are signed with: the newest secret, and until when the previous one signs, too."""

    secret: str | None = Field(
        repr=False,
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        description="Null in the answer to a repeat of an Idempotency-Key, whose first answer has shown it.",
    )
    secret_shown: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="True in the answer to a repeat, whose first has shown the secret.",
    )


class ListDeliveriesQuery(CursorQuery):
    """Which deliveries to list."""

    status: DeliveryStatus | None = None
    event: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.\-]{1,100}$", description="An event type.")
    since: Instant | None = Field(default=None, description="Only deliveries of events at or after this moment.")
    until: Instant | None = Field(default=None, description="Only deliveries of events before this moment.")


class AttemptsQuery(Body):
    """Which attempts of a delivery to show."""

    attempts_before: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="Only attempts before the one of this number: those that an answer had no room for."
    )


class SearchDeliveriesQuery(ListDeliveriesQuery):
    """Which deliveries to list, of all endpoints."""

    event_id: UUID | None = Field(default=None, description="Only deliveries of this event.")
    resource_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.\-]{1,100}$",
        description="The task, project or other resource that the events are of.",
    )
