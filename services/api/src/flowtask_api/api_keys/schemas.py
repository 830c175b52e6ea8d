"""API keys as the routes read and answer them."""

import operator
from uuid import UUID

from pydantic import Field

from flowtask_contracts.base import Contract, Instant

from ..http.schemas import Body, Name


class CreateKey(Body):
    """A new key."""

    name: Name = Field(description="What the key is for.", examples=["Build server"])


class Key(Contract):
    """A key; all but the last four characters are masked."""

    id: UUID
    name: str
    key: str = Field(examples=["ft_****1a2b"])
    user_id: UUID
    operator: bool
    created_at: Instant
    last_used_at: Instant | None


class CreatedKey(Key):
    """A new key, in full for this once."""

    key: str = Field(
        description="The whole key. It is not shown again: the answer to a repeat of an Idempotency-Key has null here."
    )
    secret_shown: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="True in the answer to a repeat, whose first has shown the key.",
    )
