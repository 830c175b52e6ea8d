"""Questions about users, workspaces and memberships."""

from uuid import UUID

from sqlalchemy import Select, select

from .models import Membership, User, Workspace


def personal_workspace(user_id: UUID) -> Select[UUID]:
    """The id of the workspace that is a person's own."""
    return (
        select(Workspace.id)
        .join(Membership, Membership.workspace_id == Workspace.id)
        .where(Membership.user_id == user_id, Workspace.personal)
        .order_by(Workspace.created_at, Workspace.id)
        .limit(1)
    )


def user_by_email(email: str) -> Select[User]:
    """The person of an address, in whatever case it was written."""
    return select(User).where(User.email == email.lower())


def membership(workspace_id: UUID, user_id: UUID) -> Select[Membership]:
    """A person's place in a workspace."""
    return select(Membership).where(Membership.workspace_id == workspace_id, Membership.user_id == user_id)


def user(workspace_id: UUID, user_id: UUID) -> Select[User]:
    """A member of a workspace."""
    return (
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.workspace_id == workspace_id, User.id == user_id)
    )


def workspace(workspace_id: UUID) -> Select[Workspace]:
    """A workspace."""
    return select(Workspace).where(Workspace.id == workspace_id)


def members(workspace_id: UUID) -> Select[Membership, User]:
    """Everyone of a workspace, in the order in which they joined."""
    return (
        select(Membership, User)
        .join(User, User.id == Membership.user_id)
        .where(Membership.workspace_id == workspace_id)
        .order_by(Membership.created_at, Membership.user_id)
    )
