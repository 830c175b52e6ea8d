"""Questions about users, workspaces and memberships."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import contains_eager

from flowtask_contracts.resources import Role

from .models import MEMBERSHIP_VERSIONS, Membership, User, Workspace


def personal_workspace(user_id: UUID) -> Select[UUID]:
    """The id of the workspace that is a person's own."""
    return (
        select(Workspace.id)
        .join(Membership, Membership.workspace_id == Workspace.id)
        .where(Membership.user_id == user_id, Workspace.personal, Workspace.erased_at.is_(None))
        .order_by(Workspace.created_at, Workspace.id)
        .limit(1)
    )


def user_by_email(email: str) -> Select[User]:
    """The person of an address, in whatever case it was written."""
    return select(User).where(User.email == email.lower())


def membership(workspace_id: UUID, user_id: UUID) -> Select[Membership]:
    """A person's place in a workspace that is there, with both."""
    return (
        select(Membership)
        .join(Membership.workspace)
        .join(Membership.user)
        .options(contains_eager(Membership.workspace), contains_eager(Membership.user))
        .where(Membership.workspace_id == workspace_id, Membership.user_id == user_id, Workspace.erased_at.is_(None))
    )


def places(user_id: UUID) -> Select[Membership]:
    """Every place of a person, with its workspace, in the order in which they joined."""
    return (
        select(Membership)
        .join(Membership.workspace)
        .options(contains_eager(Membership.workspace))
        .where(Membership.user_id == user_id, Workspace.erased_at.is_(None))
        .order_by(Membership.created_at, Membership.workspace_id)
    )


def members(workspace_id: UUID) -> Select[Membership]:
    """Everyone of a workspace, in the order in which they joined."""
    return (
        select(Membership)
        .join(Membership.user)
        .options(contains_eager(Membership.user))
        .where(Membership.workspace_id == workspace_id)
        .order_by(Membership.created_at, Membership.user_id)
    )


def locked_user(user_id: UUID) -> Select[User]:
    """A person, for changing."""
    return select(User).where(User.id == user_id).with_for_update(key_share=True)


def locked_workspace(workspace_id: UUID) -> Select[Workspace]:
    """A workspace that is there, for changing it or who belongs to it: one of those at a time."""
    return (
        select(Workspace)
        .where(Workspace.id == workspace_id, Workspace.erased_at.is_(None))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def own_locked_workspace(workspace_id: UUID, user_id: UUID) -> Select[Workspace]:
    """The same for a member: nobody else can hold the others up."""
    return (
        locked_workspace(workspace_id)
        .join(Membership, Membership.workspace_id == Workspace.id)
        .where(Membership.user_id == user_id)
        .with_for_update(key_share=True, of=Workspace)
    )


def number_of_owners(workspace_id: UUID) -> Select[int]:
    """How many owners a workspace has."""
    return (
        select(func.count())
        .select_from(Membership)
        .where(Membership.workspace_id == workspace_id, Membership.role == Role.OWNER)
    )


def next_membership_version() -> Select[int]:
    """Draw the version of a place that comes, changes or goes; the workspace is locked."""
    return select(MEMBERSHIP_VERSIONS.next_value())


def users_after(user_id: UUID | None, limit: int) -> Select[User]:
    """Every person, by id."""
    users = select(User).order_by(User.id).limit(limit)
    return users if user_id is None else users.where(User.id > user_id)


def workspaces_after(workspace_id: UUID | None, limit: int) -> Select[Workspace]:
    """Every tenant, by id."""
    workspaces = select(Workspace).where(Workspace.erased_at.is_(None)).order_by(Workspace.id).limit(limit)
    return workspaces if workspace_id is None else workspaces.where(Workspace.id > workspace_id)


def memberships_after(place: Sequence[UUID], limit: int) -> Select[Membership]:
    """Every membership, by workspace and user; `place` is the (workspace, user) of the last one seen, or empty."""
    key = tuple_(Membership.workspace_id, Membership.user_id)
    memberships = (
        select(Membership)
        .join(Membership.workspace)
        .where(Workspace.erased_at.is_(None))
        .order_by(Membership.workspace_id, Membership.user_id)
        .limit(limit)
    )
    return memberships if not place else memberships.where(key > tuple_(*place))
