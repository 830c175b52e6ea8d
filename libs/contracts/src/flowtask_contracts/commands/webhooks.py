"""Commands of the webhook dispatcher, and the resources it answers with."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AfterValidator, Field

from flowtask_contracts.base import Contract, Instant, Text
from flowtask_contracts.commands.envelope import WorkspaceCommand
from flowtask_contracts.signing_secrets import OwnSecret
from flowtask_contracts.webhook_content import DeliveryMode, FilterForm, Headers, Metadata, PayloadForm

Pattern = Annotated[Text, Field(min_length=1, max_length=100, examples=["task.completed"])]
"""An event type, `<aggregate>.*`, or `*`."""

Url = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=2048,
        examples=["https://example.com/hooks/flowtask"],
        json_schema_extra={"pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\\#]+$"},
    ),
]


class RetryPolicy(StrEnum):
    """When a delivery that failed is tried again: `standard` within half a minute, `long` over three days."""

    STANDARD = "standard"
    LONG = "long"
    CUSTOM = "custom"


class RetryOn(StrEnum):
    """What is tried again: `server` is 5xx, 408, 425, 429 and no answer at all; `any` is whatever is not 2xx."""

    SERVER = "server"
    ANY = "any"


class Ordering(StrEnum):
    """What arrives one after another, in the order in which it happened: events of one resource, or of one project; or nothing."""

    NONE = "none"
    RESOURCE = "resource"
    PROJECT = "project"


class AfterLastTry(StrEnum):
    """What an ordered endpoint does with a delivery that was given up: `skip` it, or have it `block` what comes after it."""

    SKIP = "skip"
    BLOCK = "block"


class Circuit(StrEnum):
    """Whether an endpoint is sent to: while `open` everything waits, `half-open` one attempt tries out whether it is back."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class DisabledReason(StrEnum):
    """Why nothing is sent: the receiver ended it by 410 (`gone`) or by `webhook-delivery: disable` (`receiver`), or nothing had
    arrived for five days (`failing`).
    """

    GONE = "gone"
    RECEIVER = "receiver"
    FAILING = "failing"


class Missed(Contract):
    """What an endpoint has missed: since when, and where it is counted (`?dryRun=true`) and sent."""

    since: Instant
    recover: str = Field(examples=["/api/v1/webhooks/019338f4-8c00-7000-8000-000000000001/recover"])


class Signature(StrEnum):
    """What a request is signed with: `hmac` under a shared secret, `ed25519` under a key of which receivers know the public half."""

    HMAC = "hmac"
    ED25519 = "ed25519"


_ONE, _BOTH = (Signature.HMAC,), (Signature.HMAC, Signature.ED25519)


def _known(signatures: tuple[Signature, ...]) -> tuple[Signature, ...]:
    if signatures not in (_ONE, _BOTH):
        msg = 'must be ["hmac"] or ["hmac", "ed25519"]'
        raise ValueError(msg)
    return signatures


Signatures = Annotated[
    tuple[Signature, ...],
    AfterValidator(_known),
    Field(
        description="What requests are signed with: always by HMAC, and by Ed25519 beside it if you like.",
        examples=[["hmac", "ed25519"]],
        json_schema_extra={"enum": [["hmac"], ["hmac", "ed25519"]]},
    ),
]

LONGEST_WAIT = 86_400
LONGEST_SCHEDULE = 432_000
"""Five days, in seconds."""

Wait = Annotated[int, Field(ge=1, le=LONGEST_WAIT)]
WAITS = Field(
    min_length=1,
    max_length=20,
    description="Seconds before the second try, the third, and so on; together at most 432,000 (five days).",
    examples=[[5, 60, 600]],
)
Waits = Annotated[tuple[Wait, ...], WAITS]
PerPeriod = Annotated[
    int, Field(ge=1, le=100_000, description="Attempts within any `ratePeriodSeconds`.", examples=[50])
]
Period = Annotated[int, Field(ge=1, le=60, examples=[1])]
AtOnce = Annotated[int, Field(ge=1, le=100, description="Attempts under way at the same time.", examples=[4])]


class Endpoint(Contract):
    """A subscriber: where webhooks go, which ones, and how gently.

    `secret` is present only in the answer that creates it; `secret_shown` is true where it was shown before.
    """

    id: UUID
    delivery: DeliveryMode = DeliveryMode.PUSH
    url: str | None = Field(
        description="Null where `delivery` is `poll`.", examples=["https://example.com/hooks/flowtask"]
    )
    events: tuple[str, ...] = Field(examples=[["task.completed", "project.*"]])
    description: str | None = Field(examples=["Tells the billing system"])
    filter: FilterForm | None = None
    payload: PayloadForm = PayloadForm.FULL
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Headers of your own; instead of each value stands `********`.",
        examples=[{"Authorization": "********"}],
    )
    metadata: dict[str, str] = Field(default_factory=dict, examples=[{"team": "billing"}])
    active: bool = Field(examples=[True])
    retry_policy: RetryPolicy = RetryPolicy.STANDARD
    retry_schedule: tuple[int, ...] = Field(
        default=(1, 5, 25), description="Seconds before the second try, the third, and so on.", examples=[[1, 5, 25]]
    )
    retry_on: RetryOn = RetryOn.SERVER
    rate_limit: int | None = Field(default=None, examples=[None])
    rate_period_seconds: int = Field(default=1, examples=[1])
    max_concurrency: int | None = Field(default=None, examples=[None])
    ordering: Ordering = Field(default=Ordering.NONE, examples=["none"])
    after_last_try: AfterLastTry = AfterLastTry.SKIP
    ordered_since: Instant | None = Field(
        default=None, description="The order holds among events that happened from then on.", examples=[None]
    )
    signatures: tuple[Signature, ...] = Field(default=(Signature.HMAC,), examples=[["hmac"]])
    circuit: Circuit = Circuit.CLOSED
    held_until: Instant | None = Field(
        default=None, description="While the circuit is open: when the next attempt is made.", examples=[None]
    )
    disabled_at: Instant | None = Field(
        default=None, description="When it was turned off for its owner.", examples=[None]
    )
    disabled_reason: DisabledReason | None = Field(default=None, examples=[None])
    failing_since: Instant | None = Field(
        default=None,
        description="Since when every attempt has failed, to five minutes; looked at once an hour.",
        examples=[None],
    )
    missed: Missed | None = Field(default=None, description="Events may have been missed.")
    previous_secret_until: Instant | None = Field(
        default=None,
        description="While its secret is being changed: until when the previous one signs, too.",
        examples=[None],
    )
    created_by: UUID
    created_at: Instant
    updated_at: Instant
    secret: str | None = Field(default=None, repr=False)
    secret_shown: bool = False


class Endpoints(Contract):
    """A page of endpoints."""

    items: tuple[Endpoint, ...]
    next_cursor: str | None


class Health(Contract):
    """How attempts at an endpoint went within a time: `1h`, `24h` or `7d`. Times are those of all attempts, within a tenth or so."""

    window: str = Field(examples=["1h"])
    attempts: int = Field(examples=[1200])
    delivered: int = Field(examples=[1188])
    success_rate: float | None = Field(description="Null without attempts.", examples=[0.99])
    p50_ms: float | None = Field(examples=[38.5])
    p95_ms: float | None = Field(examples=[112.0])


class EndpointHealth(Contract):
    """How an endpoint has been doing."""

    circuit: Circuit
    held_until: Instant | None = Field(examples=[None])
    disabled_at: Instant | None = Field(examples=[None])
    disabled_reason: DisabledReason | None = Field(examples=[None])
    windows: tuple[Health, ...]


class Done(Contract):
    """There is nothing more to say."""


class WebhookCommand(WorkspaceCommand):
    """Anything the dispatcher is asked."""

    service: ClassVar[str] = "webhook-dispatcher"


class CreateEndpoint(WebhookCommand):
    """Subscribe a URL, under a secret of the subscriber's or a new one; the answer holds it, once."""

    verb = "create-endpoint"
    answer = Endpoint
    changes = True
    concealed = frozenset({"secret"})

    created_by: UUID
    delivery: DeliveryMode = DeliveryMode.PUSH
    url: Url | None = None
    events: tuple[Pattern, ...] = Field(min_length=1, max_length=50)
    description: Text | None = Field(default=None, max_length=500)
    filter: FilterForm | None = None
    payload: PayloadForm = PayloadForm.FULL
    headers: Headers = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)
    active: bool = True
    retry_policy: RetryPolicy = RetryPolicy.STANDARD
    retry_schedule: Waits | None = None
    retry_on: RetryOn = RetryOn.SERVER
    rate_limit: PerPeriod | None = None
    rate_period_seconds: Period = 1
    max_concurrency: AtOnce | None = None
    ordering: Ordering = Ordering.NONE
    after_last_try: AfterLastTry = AfterLastTry.SKIP
    signatures: Signatures = (Signature.HMAC,)
    secret: OwnSecret | None = None


class ListEndpoints(WebhookCommand):
    """The workspace's endpoints, newest first."""

    verb = "list-endpoints"
    answer = Endpoints

    cursor: Text | None = None
    limit: int = Field(default=20, ge=1, le=100)


class GetEndpoint(WebhookCommand):
    """One endpoint."""

    verb = "get-endpoint"
    answer = Endpoint

    endpoint_id: UUID


class GetEndpointHealth(WebhookCommand):
    """How one endpoint has been doing in the last hour, day and week."""

    verb = "endpoint-health"
    answer = EndpointHealth

    endpoint_id: UUID


class UpdateEndpoint(WebhookCommand):
    """Change the given fields; the others stay.

    `description`, `filter`, `rate_limit` and `max_concurrency` may be taken away by null.
    """

    verb = "update-endpoint"
    answer = Endpoint
    changes = True

    endpoint_id: UUID
    url: Url | None = None
    events: tuple[Pattern, ...] | None = Field(default=None, min_length=1, max_length=50)
    description: Text | None = Field(default=None, max_length=500)
    filter: FilterForm | None = None
    payload: PayloadForm | None = None
    headers: Headers | None = None
    metadata: Metadata | None = None
    active: bool | None = None
    retry_policy: RetryPolicy | None = None
    retry_schedule: Waits | None = None
    retry_on: RetryOn | None = None
    rate_limit: PerPeriod | None = None
    rate_period_seconds: Period | None = None
    max_concurrency: AtOnce | None = None
    ordering: Ordering | None = None
    after_last_try: AfterLastTry | None = None
    signatures: Signatures | None = None


class DeleteEndpoint(WebhookCommand):
    """Unsubscribe; what is still due is cancelled, history stays readable."""

    verb = "delete-endpoint"
    answer = Done
    changes = True

    endpoint_id: UUID
