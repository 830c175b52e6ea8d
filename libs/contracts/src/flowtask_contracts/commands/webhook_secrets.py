"""Commands on the secrets that webhooks are signed with."""

from uuid import UUID

from pydantic import Field

from flowtask_contracts.base import Contract, Instant
from flowtask_contracts.commands.webhooks import Done, WebhookCommand
from flowtask_contracts.errors import Conflict, NotFound
from flowtask_contracts.signing_secrets import OwnSecret

DAY = 24 * 60 * 60
LONGEST_OVERLAP = 7 * DAY
"""In seconds."""


class OverlapUnderWay(Conflict):
    """Two secrets sign already, and a third one may not join them."""

    message = (
        "The previous secret still signs: end that at DELETE /webhooks/{webhookId}/secret/previous first, or rotate with "
        "overlapSeconds 0, which ends both"
    )


class NoPreviousSecret(NotFound):
    """The newest secret signs alone."""

    message = "No previous secret signs for this webhook"


class EndpointSecret(Contract):
    """What signs an endpoint's webhooks: its newest secret, and until when the previous one does so, too.

    `secret` is absent where `secret_shown` says that an answer before this one has shown it.
    """

    secret: str | None = Field(default=None, repr=False, examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    secret_shown: bool = False
    previous_secret_until: Instant | None = Field(
        default=None, description="Until when the previous secret signs, too; null when it does not."
    )


class PublicKey(Contract):
    """One of the keys that verify an endpoint's Ed25519 signatures, as a JSON Web Key (RFC 8037).

    `kid` is its thumbprint (RFC 7638); `whpk` is the same key in the form of Standard Webhooks.
    """

    kty: str = Field(examples=["OKP"])
    crv: str = Field(examples=["Ed25519"])
    alg: str = Field(examples=["EdDSA"])
    use: str = Field(examples=["sig"])
    kid: str = Field(examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"])
    x: str = Field(examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"])
    whpk: str = Field(examples=["whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="])
    signs_until: Instant | None = Field(
        description="When it stops signing, while the secret is being changed; null for the newest.", examples=[None]
    )


class PublicKeys(Contract):
    """A JSON Web Key Set: what verifies an endpoint's Ed25519 signatures now, the oldest first; empty where it has none."""

    keys: tuple[PublicKey, ...]


class GetPublicKeys(WebhookCommand):
    """The public keys of one endpoint."""

    verb = "get-endpoint-public-keys"
    answer = PublicKeys

    endpoint_id: UUID


class GetEndpointSecret(WebhookCommand):
    """The secret of one endpoint."""

    verb = "get-endpoint-secret"
    answer = EndpointSecret

    endpoint_id: UUID


class RotateSecret(WebhookCommand):
    """Have another secret sign, one of the subscriber's or a new one, and another Ed25519 key; the answer holds the secret, once.

    The one there is goes on for the overlap, in seconds; without an overlap every earlier one ends at once. Conflict while
    another overlap is not over.
    """

    verb = "rotate-endpoint-secret"
    answer = EndpointSecret
    changes = True
    concealed = frozenset({"secret"})

    endpoint_id: UUID
    secret: OwnSecret | None = None
    overlap_seconds: int = Field(default=DAY, ge=0, le=LONGEST_OVERLAP)


class EndOverlap(WebhookCommand):
    """Have the newest secret sign alone from now on; NotFound when no other one does."""

    verb = "end-endpoint-overlap"
    answer = Done
    changes = True

    endpoint_id: UUID
