"""Invitations as the routes read and answer them."""

import operator
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from flowtask_contracts.base import Contract, Instant, Text
from flowtask_contracts.resources import Role

from ..http.schemas import Body

_ADDRESS = r"^[^@\s\x00-\x1f\x7f-\x9f\ufeff]{1,64}@[^@\s\x00-\x1f\x7f-\x9f\ufeff]{1,189}$"

Email = Annotated[
    Text,
    Field(
        max_length=254,
        pattern=_ADDRESS,
        json_schema_extra={"pattern": _ADDRESS},
        description="An e-mail address, in whatever case.",
        examples=["grace@example.com"],
    ),
    AfterValidator(str.lower),
]


class CreateInvitation(Body):
    """Whom to invite, and as what."""

    email: Email
    role: Role = Field(default=Role.MEMBER, description="Only owners invite owners.")


class AcceptInvitation(Body):
    """The secret that was sent to the invited."""

    token: Text = Field(min_length=1, max_length=200, examples=["fti_" + "0123456789abcdef" * 4])


class Invitation(Contract):
    """An open invitation."""

    id: UUID
    email: str = Field(examples=["grace@example.com"])
    role: Role
    invited_by: UUID
    created_at: Instant
    expires_at: Instant


class CreatedInvitation(Invitation):
    """A new invitation, with its token for this once."""

    token: str = Field(
        description="To be sent to the invited. It is not shown again: the answer to a repeat of an Idempotency-Key has "
        "null here.",
        examples=["fti_" + "0123456789abcdef" * 4],
        json_schema_extra={"type": ["string", "null"]},
    )
    secret_shown: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="True in the answer to a repeat, whose first has shown the token.",
    )
