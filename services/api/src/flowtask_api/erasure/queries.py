"""Questions about what is to be erased, and the statements that erase it."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Delete, Select, TextClause, delete, exists, func, select, text
from sqlalchemy.orm import joinedload

from flowtask_contracts.resources import Role, TaskStatus

from ..accounts.models import Membership, User, Workspace
from ..tasks.models import Task
from .models import Erasure, Kind
from .places import RowsOf


def waits_for_others(erasure: Erasure) -> Select[bool]:
    """Whether places or workspaces of a person are still being cleared up."""
    places = (Erasure.kind == Kind.DEPARTURE) & (Erasure.user_id == erasure.user_id)
    workspaces = (Erasure.kind == Kind.WORKSPACE) & (Erasure.actor == erasure.actor)
    return select(exists().where(places | workspaces))


def forget_departures(workspace_id: UUID, user_id: UUID | None = None) -> Delete:
    """Leave what somebody has left behind as it is: they are back, or the workspace goes as a whole."""
    departures = delete(Erasure).where(Erasure.kind == Kind.DEPARTURE, Erasure.workspace_id == workspace_id)
    return departures if user_id is None else departures.where(Erasure.user_id == user_id)


def remove_some(place: RowsOf, owner: UUID, limit: int) -> TextClause:
    """Remove up to `limit` rows of an owner."""
    return text(f"""
        DELETE FROM api.{place.table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM api.{place.table} WHERE {place.column} = :owner AND {place.among} LIMIT :most
        ))
    """).bindparams(owner=owner, most=limit)  # noqa: S608 - names of ours


def open_tasks(workspace_id: UUID, user_id: UUID, limit: int) -> Select[Task]:
    """Tasks that somebody has still to do, once whoever is changing them has finished."""
    return (
        select(Task)
        .options(joinedload(Task.project))
        .where(Task.workspace_id == workspace_id, Task.assignee_id == user_id, Task.status != TaskStatus.DONE)
        .order_by(Task.id)
        .limit(limit)
        .with_for_update(of=Task)
    )


def leaving_user(user_id: UUID) -> Select[User]:
    """A person who is to go: nobody can give them a place meanwhile."""
    return select(User).where(User.id == user_id).with_for_update()


def workspaces_of(user_id: UUID) -> Select[Workspace]:
    """Every workspace that a person has a place in, but for those that are being erased, locked in one order."""
    return (
        select(Workspace)
        .join(Membership, Membership.workspace_id == Workspace.id)
        .where(Membership.user_id == user_id, Workspace.erased_at.is_(None))
        .order_by(Workspace.id)
        .with_for_update(of=Workspace)
        .execution_options(populate_existing=True)
    )


def crews(workspace_ids: Collection[UUID]) -> Select[UUID, int, int]:
    """Of each workspace: how many members it has, and how many owners."""
    owners = func.count().filter(Membership.role == Role.OWNER)
    return (
        select(Membership.workspace_id, func.count(), owners)
        .where(Membership.workspace_id.in_(workspace_ids))
        .group_by(Membership.workspace_id)
    )


def own_places(user_id: UUID) -> Select[Membership]:
    """Every place of a person."""
    return select(Membership).where(Membership.user_id == user_id)


def remove_person(user_id: UUID) -> tuple[Delete, Delete]:
    """Remove a person's places, with their keys, and then the person."""
    return delete(Membership).where(Membership.user_id == user_id), delete(User).where(User.id == user_id)
