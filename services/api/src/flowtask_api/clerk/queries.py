"""Questions about people and tenants by their ids at Clerk."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Delete,
    Select,
    Uuid,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from flowtask_contracts.resources import Role
from flowtask_kit.database.prepared import Prepared

from ..accounts.models import Membership, User, Workspace
from .models import ErasedClerkId, digest_of


def _place(condition: ColumnElement[bool], *first: ColumnElement[bool]) -> Prepared:
    return Prepared(
        select(User.id, Workspace.id.label("workspace_id"), Membership.role, Workspace.plan)
        .join(Membership, Membership.user_id == User.id)
        .join(Workspace, Workspace.id == Membership.workspace_id)
        .where(User.clerk_id == bindparam("clerk_id"), Workspace.erased_at.is_(None), condition)
        .order_by(*first, Workspace.created_at, Workspace.id)
        .limit(literal_column("1"))
    )


_OWN = Workspace.personal & (Membership.role == literal_column(f"'{Role.OWNER.value}'"))
_WANTED = Workspace.id == cast(bindparam("workspace"), Uuid())

PERSONAL = _place(_OWN)
"""The place of `clerk_id` in the workspace that is theirs alone."""

IN_WORKSPACE = _place(_WANTED | _OWN, _WANTED.desc())
"""The place of `clerk_id` in the `workspace` of that id; without one there, the place in the workspace that is theirs alone."""

IN_ORGANIZATION = _place(Workspace.clerk_organization_id == bindparam("organization"))
"""The place of `clerk_id` in the workspace of that `organization`."""


def user(clerk_id: str) -> Select[User]:
    """The person of an id, whom nobody erases before the transaction ends."""
    return select(User).where(User.clerk_id == clerk_id).with_for_update(read=True, key_share=True)


def one_at_a_time(clerk_id: str) -> Select[None]:
    """Wait until no other transaction makes the person of this id known."""
    return select(func.pg_advisory_xact_lock(func.hashtextextended(clerk_id, literal_column("7201"))))


def link(email: str, clerk_id: str) -> ReturningUpdate[User]:
    """Have the person of an address, who has no id at Clerk yet, be this one."""
    return (
        update(User)
        .where(User.email == email, User.clerk_id.is_(None))
        .values(clerk_id=clerk_id, updated_at=func.now())
        .returning(User)
    )


def add_user(user: User) -> ReturningInsert[UUID]:
    """Keep a new person, unless the address is somebody's."""
    names = ("id", "email", "clerk_id", "name", "version", "created_at", "updated_at")
    return (
        insert(User)
        .values({name: getattr(user, name) for name in names})
        .on_conflict_do_nothing(index_elements=[User.email])
        .returning(User.id)
    )


def add_workspace(workspace: Workspace) -> ReturningInsert[UUID]:
    """Keep the new tenant of an organization, unless there is one."""
    names = ("id", "name", "personal", "plan", "clerk_organization_id", "version", "created_at")
    return (
        insert(Workspace)
        .values({name: getattr(workspace, name) for name in names})
        .on_conflict_do_nothing(index_elements=[Workspace.clerk_organization_id])
        .returning(Workspace.id)
    )


def workspace(organization: str) -> Select[Workspace]:
    """The tenant of an organization, locked: who comes in and what they become is decided one by one."""
    return (
        select(Workspace)
        .where(Workspace.clerk_organization_id == organization, Workspace.erased_at.is_(None))
        .with_for_update(key_share=True)
    )


def membership(workspace_id: UUID, user_id: UUID) -> Select[Membership]:
    """A person's place, locked."""
    return (
        select(Membership)
        .where(Membership.workspace_id == workspace_id, Membership.user_id == user_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def has_owner(workspace_id: UUID) -> Select[bool]:
    """Whether a tenant has an owner."""
    return select(exists().where(Membership.workspace_id == workspace_id, Membership.role == Role.OWNER))


def remember_erased(clerk_id: str, at: datetime) -> Insert:
    """Note when the person of an id was erased; the last time counts."""
    noted = insert(ErasedClerkId).values(clerk_digest=digest_of(clerk_id), erased_at=at)
    return noted.on_conflict_do_update(
        index_elements=[ErasedClerkId.clerk_digest], set_={"erased_at": noted.excluded.erased_at}
    )


def erased_at(clerk_id: str) -> Select[datetime]:
    """When the person of an id was erased, if they were and it is remembered."""
    return select(ErasedClerkId.erased_at).where(ErasedClerkId.clerk_digest == digest_of(clerk_id))


def forget_erased(before: datetime, limit: int) -> Delete:
    """Forget who was erased before that moment."""
    old = select(ErasedClerkId.clerk_digest).where(ErasedClerkId.erased_at < before).limit(limit)
    return delete(ErasedClerkId).where(ErasedClerkId.clerk_digest.in_(old))
