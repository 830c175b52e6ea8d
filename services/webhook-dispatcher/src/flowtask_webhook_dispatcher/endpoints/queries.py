"""Statements on endpoints."""

from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.dml import ReturningUpdate

from .models import Endpoint, EndpointRevision, EndpointState


def endpoint(workspace_id: UUID, endpoint_id: UUID) -> Select[Endpoint]:
    """One living endpoint of a workspace."""
    return select(Endpoint).where(
        Endpoint.workspace_id == workspace_id, Endpoint.id == endpoint_id, Endpoint.deleted_at.is_(None)
    )


def any_endpoint(workspace_id: UUID, endpoint_id: UUID) -> Select[Endpoint]:
    """One endpoint of a workspace, deleted ones too: their history stays readable."""
    return select(Endpoint).where(Endpoint.workspace_id == workspace_id, Endpoint.id == endpoint_id)


def endpoints(workspace_id: UUID, before: UUID | None, limit: int) -> Select[Endpoint]:
    """A workspace's living endpoints, newest first, from below a given id."""
    statement = select(Endpoint).where(Endpoint.workspace_id == workspace_id, Endpoint.deleted_at.is_(None))
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


def state_of(endpoint_id: UUID) -> Insert:
    """The state row that every endpoint begins with."""
    return insert(EndpointState).values(endpoint_id=endpoint_id).on_conflict_do_nothing()
