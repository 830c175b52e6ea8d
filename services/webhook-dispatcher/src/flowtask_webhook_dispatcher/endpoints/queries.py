"""Statements on endpoints."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Update, func, null, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from .models import Endpoint, EndpointRevision, EndpointState


def endpoint(workspace_id: UUID, endpoint_id: UUID) -> Select[Endpoint]:
    """One living endpoint of a workspace."""
    return select(Endpoint).where(
        Endpoint.workspace_id == workspace_id, Endpoint.id == endpoint_id, Endpoint.deleted_at.is_(None)
    )


def endpoint_with_state(workspace_id: UUID, endpoint_id: UUID) -> Select[Endpoint, EndpointState]:
    """One living endpoint of a workspace, and how it is sent to."""
    return _with_state(workspace_id).where(Endpoint.id == endpoint_id)


def any_endpoint(workspace_id: UUID, endpoint_id: UUID) -> Select[Endpoint]:
    """One endpoint of a workspace, deleted ones too: their history stays readable."""
    return select(Endpoint).where(Endpoint.workspace_id == workspace_id, Endpoint.id == endpoint_id)


def endpoints(workspace_id: UUID, before: UUID | None, limit: int) -> Select[Endpoint, EndpointState]:
    """A workspace's living endpoints, newest first, from below a given id, and how they are sent to."""
    statement = _with_state(workspace_id)
    if before is not None:
        statement = statement.where(Endpoint.id < before)
    return statement.order_by(Endpoint.id.desc()).limit(limit)


def count(workspace_id: UUID) -> Select[int]:
    """How many living endpoints a workspace has."""
    return (
        select(func.count())
        .select_from(Endpoint)
        .where(Endpoint.workspace_id == workspace_id, Endpoint.deleted_at.is_(None))
    )


def next_revision() -> ReturningUpdate[int]:
    """Draw the next revision; its row lock is held to the commit, so revisions become visible in order."""
    return update(EndpointRevision).values(revision=EndpointRevision.revision + 1).returning(EndpointRevision.revision)


def stamp(endpoint_ids: Collection[UUID]) -> Update:
    """Draw the next revision for these endpoints, whose rows this transaction has locked."""
    drawn = next_revision().cte("drawn")
    return (
        update(Endpoint)
        .where(Endpoint.id.in_(endpoint_ids))
        .values(revision=select(drawn.c.revision).scalar_subquery())
    )


def hold_workspace(workspace_id: UUID) -> Select[Any]:
    """Take the lock of a workspace's endpoints, those that are not there yet included."""
    return select(func.pg_advisory_xact_lock(func.hashtextextended(f"flowtask.endpoints.{workspace_id}", 0)))


def hold(*which: ColumnElement[bool]) -> Select[UUID]:
    """Lock endpoints against other writes, in the one order in which everybody does."""
    return select(Endpoint.id).where(*which).order_by(Endpoint.id).with_for_update(key_share=True)


def with_secrets(after: UUID | None, limit: int) -> Select[Endpoint]:
    """Endpoints that have something encrypted, by id, from above a given one, locked against other writes."""
    sealed = (Endpoint.secret, Endpoint.next_secret, Endpoint.headers, Endpoint.private_key, Endpoint.next_private_key)
    statement = select(Endpoint).where(or_(*(column.is_not(None) for column in sealed)))
    if after is not None:
        statement = statement.where(Endpoint.id > after)
    return statement.order_by(Endpoint.id).limit(limit).with_for_update(key_share=True)


def hold_ended(now: datetime) -> Select[UUID]:
    """Lock the endpoints with a secret that `wipe_ended` forgets."""
    return hold(or_(Endpoint.next_alone_at <= now, _left_behind()))


def wipe_ended(endpoint_ids: Collection[UUID], now: datetime, revision: int) -> tuple[Update, ...]:
    """Forget the secrets whose overlap is over, and what versions that knew of less left to deleted endpoints."""
    nothing = {"next_secret": null(), "next_alone_at": null(), "next_private_key": null()}
    held = Endpoint.id.in_(endpoint_ids)
    newest = func.coalesce(Endpoint.next_private_key, Endpoint.private_key)
    ended = update(Endpoint).where(held, Endpoint.next_alone_at <= now, Endpoint.deleted_at.is_(None))
    gone = update(Endpoint).where(held, _left_behind())
    return ended.values(secret=Endpoint.next_secret, private_key=newest, revision=revision, **nothing), gone.values(
        secret=null(), headers=null(), private_key=null(), **nothing
    )


def _left_behind() -> ColumnElement[bool]:
    some = Endpoint.next_secret.is_not(None) | Endpoint.headers.is_not(None) | Endpoint.private_key.is_not(None)
    return Endpoint.deleted_at.is_not(None) & some


def _with_state(workspace_id: UUID) -> Select[Endpoint, EndpointState]:
    return (
        select(Endpoint, EndpointState)
        .join(EndpointState, EndpointState.endpoint_id == Endpoint.id)
        .where(Endpoint.workspace_id == workspace_id, Endpoint.deleted_at.is_(None))
    )
