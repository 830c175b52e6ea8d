"""What the account routes answer."""

from uuid import UUID

from flowtask_contracts.base import Contract, Instant
from flowtask_contracts.resources import Role, Workspace


class Me(Contract):
    """The calling user and the workspace that the credential belongs to; `email` is null while none is known."""

    id: UUID
    email: str | None
    name: str
    workspace_id: UUID
    role: Role
    operator: bool
    created_at: Instant


class OwnWorkspace(Workspace):
    """A workspace and what the caller is in it."""

    role: Role


class Member(Contract):
    """One person of a workspace; `email` is null while none is known."""

    user_id: UUID
    name: str
    email: str | None
    role: Role
    joined_at: Instant
