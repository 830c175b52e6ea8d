"""Questions about users, workspaces and memberships."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, select, tuple_

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


def users_after(user_id: UUID | None, limit: int) -> Select[User]:
    """Every person, by id."""
    users = select(User).order_by(User.id).limit(limit)
    return users if user_id is None else users.where(User.id > user_id)


def workspaces_after(workspace_id: UUID | None, limit: int) -> Select[Workspace]:
    """Every tenant, by id."""
    workspaces = select(Workspace).order_by(Workspace.id).limit(limit)
    return workspaces if workspace_id is None else workspaces.where(Workspace.id > workspace_id)


def memberships_after(place: Sequence[UUID], limit: int) -> Select[Membership]:
    """Every membership, by workspace and user; `place` is the (workspace, user) of the last one seen, or empty."""
    key = tuple_(Membership.workspace_id, Membership.user_id)
    memberships = select(Membership).order_by(Membership.workspace_id, Membership.user_id).limit(limit)
    return memberships if not place else memberships.where(key > tuple_(*place))
