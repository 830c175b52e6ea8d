"""Questions about people and tenants, and the statements that keep them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, Update, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from flowtask_contracts.resources import Role

from ..database import Base
from .models import Membership, Projection, Recipient, Workspace

PEOPLE = "recipients"


def newest(model: type[Base], key: tuple[str, ...], rows: Sequence[dict[str, Any]]) -> Insert:
    """Keep rows under their keys, except where what is known has the same version or a newer one."""
    statement = insert(model).values(rows)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
    table = model.__table__
    return statement.on_conflict_do_update(
        index_elements=key, set_=changed, where=table.c.version < statement.excluded.version
    )


def recipients(user_ids: Collection[UUID]) -> Select[Recipient]:
    """The people of these ids who are known."""
    return select(Recipient).where(Recipient.user_id.in_(user_ids), Recipient.erased_at.is_(None))


def workspaces(workspace_ids: Collection[UUID]) -> Select[Workspace]:
    """The tenants of these ids that are known."""
    return select(Workspace).where(Workspace.workspace_id.in_(workspace_ids), Workspace.erased_at.is_(None))


def owners(workspace_id: UUID) -> Select[UUID]:
    """Who owns a tenant, in an order."""
    return (
        select(Membership.user_id)
        .where(Membership.workspace_id == workspace_id, Membership.role == Role.OWNER)
        .order_by(Membership.user_id)
    )


def gone(workspace_id: UUID) -> Select[UUID]:
    """The tenant's id, if it is erased."""
    return select(Workspace.workspace_id).where(
        Workspace.workspace_id == workspace_id, Workspace.erased_at.is_not(None)
    )


def erased(user_ids: Collection[UUID], workspace_ids: Collection[UUID]) -> CompoundSelect[UUID]:
    """Those of these ids that are of people or tenants who are erased."""
    people = select(Recipient.user_id).where(Recipient.user_id.in_(user_ids), Recipient.erased_at.is_not(None))
    tenants = select(Workspace.workspace_id).where(
        Workspace.workspace_id.in_(workspace_ids), Workspace.erased_at.is_not(None)
    )
    return people.union_all(tenants)


def projection() -> Select[Projection]:
    """How far the snapshot was read."""
    return select(Projection).where(Projection.name == PEOPLE)


def advance(before: str | None, after: str | None, *, filled_at: datetime | None) -> Update:
    """Note that a page was taken; does nothing when another replica has noted it first."""
    return (
        update(Projection)
        .where(
            Projection.name == PEOPLE, Projection.filled_at.is_(None), Projection.cursor.is_not_distinct_from(before)
        )
        .values(cursor=after, filled_at=filled_at)
    )


def want_again(filled_before: datetime) -> Update:
    """Have the snapshot read anew, if it was last read to its end before that moment."""
    return (
        update(Projection)
        .where(Projection.name == PEOPLE, Projection.filled_at < filled_before)
        .values(cursor=None, filled_at=None)
    )


def begin() -> Insert:
    """A projection of which nothing was read yet, unless there is one."""
    return insert(Projection).values(name=PEOPLE, cursor=None, filled_at=None).on_conflict_do_nothing()
