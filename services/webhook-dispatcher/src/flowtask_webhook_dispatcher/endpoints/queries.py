"""Statements on endpoints."""

from uuid import UUID

from sqlalchemy import Select, func, select, update
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


def _with_state(workspace_id: UUID) -> Select[Endpoint, EndpointState]:
    return (
        select(Endpoint, EndpointState)
        .join(EndpointState, EndpointState.endpoint_id == Endpoint.id)
        .where(Endpoint.workspace_id == workspace_id, Endpoint.deleted_at.is_(None))
    )
