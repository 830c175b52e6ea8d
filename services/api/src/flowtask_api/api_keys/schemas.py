"""API keys as the routes read and answer them."""

import operator
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, JsonValue

from flowtask_contracts.base import Contract, Instant, rfc3339
from flowtask_kit.ids import utc_now

from ..auth.scopes import ADMIN, GRANTS, in_order
from ..http.schemas import DAY, Body, Moment, Name, Overlap


def _scope(value: str) -> str:
    if value not in GRANTS:
        msg = f"must be one of {', '.join(GRANTS)}"
        raise ValueError(msg)
    return value


def _ordered(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(in_order(values))


def _in_future(value: Moment) -> Moment:
    if value <= utc_now():
        msg = "must lie in the future"
        raise ValueError(msg)
    return value


Scope = Annotated[str, AfterValidator(_scope), Field(json_schema_extra={"enum": list(GRANTS)})]
Scopes = Annotated[
    tuple[Scope, ...],
    Field(
        min_length=1,
        max_length=len(GRANTS),
        description="What the key may do: `read`, `write` or `admin`, and `<resource>:read` or `<resource>:write`. It never "
        "does what its person may not.",
        examples=[["tasks:write", "projects:read"]],
    ),
    AfterValidator(_ordered),
]
Expiry = Annotated[Moment, AfterValidator(_in_future)]


class CreateKey(Body):
    """A new key."""

    name: Name = Field(description="What the key is for.", examples=["Build server"])
    scopes: Scopes = (ADMIN,)
    expires_at: Expiry | None = Field(
        default=None, description="RFC 3339, in the future; the key opens nothing from then on."
    )


class UpdateKey(Body):
    """The fields to change; those left out stay as they are."""

    name: Name = Field(default_factory=str, description="What the key is for.")
    scopes: Scopes = Field(default_factory=tuple)
    expires_at: Expiry | None = Field(default=None, description="RFC 3339, in the future; null lets the key live on.")


class RotateKey(Body):
    """How the old key gives way to the new one."""

    overlap_seconds: Overlap = Field(default=DAY, description="How long the old key goes on beside the new one.")
    expires_at: Expiry | None = Field(
        default=None, description="When the new key expires; when the old one would have, if this is left out."
    )


class Key(Contract):
    """A key; all but the last four characters are masked."""

    id: UUID
    name: str = Field(examples=["Build server"])
    key: str = Field(examples=["ft_****1a2b"])
    user_id: UUID = Field(description="Whom the key acts as.")
    scopes: tuple[str, ...] = Field(examples=[["tasks:write", "projects:read"]])
    operator: bool
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    last_used_address: str | None = Field(
        description="The IP address that it was last used from.", examples=["203.0.113.7"]
    )
    rotated_from: UUID | None = Field(description="The key in whose place this one is.")
    rotated_to: UUID | None = Field(
        description="The key that has taken the place of this one, which ends at `expiresAt`."
    )


class CreatedKey(Key):
    """A new key, in full for this once."""

    key: str = Field(
        examples=["ft_" + 15 * "5eed" + "1a2b"],
        json_schema_extra={"type": ["string", "null"]},
        description="The whole key. It is not shown again: the answer to a repeat of an Idempotency-Key has null here.",
    )
    secret_shown: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="True in the answer to a repeat, whose first has shown the key.",
    )

    def told(self) -> dict[str, JsonValue]:
        """What the audit log says of it; its name may be somebody's."""
        end = None if self.expires_at is None else rfc3339(self.expires_at)
        return {"scopes": [*self.scopes], "expiresAt": end, "operator": self.operator}
