"""Members as the routes read and answer them."""

from uuid import UUID

from pydantic import Field

from flowtask_contracts.base import Contract, Instant
from flowtask_contracts.resources import Role

from ..http.paging import PageQuery
from ..http.schemas import Body


class Member(Contract):
    """One person of a workspace."""

    user_id: UUID
    name: str = Field(examples=["Ada Lovelace"])
    email: str | None = Field(description="Null while none is known.", examples=["ada@example.com"])
    role: Role
    joined_at: Instant


class UpdateMember(Body):
    """The fields to change; those left out stay as they are."""

    role: Role = Field(
        default_factory=lambda: Role.MEMBER,
        description="Only owners make somebody an owner, or an owner anything else.",
        examples=["admin"],
    )


class ListMembers(PageQuery):
    """A page of members."""
