"""Statements on endpoints to which nothing arrives."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Exists, Select, TextClause, bindparam, exists, func, select, text

from ..database import JobRun
from ..deliveries.models import Attempt, Delivery
from ..endpoints.models import Endpoint, EndpointState
from ..health.models import SLOT, AttemptCount
from .rules import DISABLED

_TIME = DateTime(timezone=True)


def looked_before(job: str, slot: datetime) -> Select[datetime]:
    """When this job has looked the last time."""
    return select(func.max(JobRun.slot)).where(JobRun.job == job, JobRun.finished_at.is_not(None), JobRun.slot < slot)


def hours_between(job: str, since: datetime, until: datetime) -> Select[int]:
    """In how many hours of a time this job has looked: in the others we were not there, and nothing can have failed for its doing."""
    hour = func.date_trunc("hour", JobRun.slot, "UTC")
    return select(func.count(hour.distinct())).where(
        JobRun.job == job, JobRun.finished_at.is_not(None), JobRun.slot > since, JobRun.slot <= until
    )


def learn(since: datetime, rest: Any) -> TextClause:
    """Note of every endpoint that was attempted since then since when nothing but failures came, and until when.

    A success ends it; so does a rest. Where an owner was told, the success is for `recovered` to see and to tell.
    """
    return text("""
        WITH seen AS (
            SELECT endpoint_id, max(slot) FILTER (WHERE delivered) AS well, max(slot) FILTER (WHERE NOT delivered) AS ill
            FROM webhooks.attempt_counts WHERE slot >= :since GROUP BY endpoint_id
        ), began AS (
            SELECT s.*, (
                SELECT min(c.slot) FROM webhooks.attempt_counts c
                WHERE c.endpoint_id = s.endpoint_id AND NOT c.delivered AND c.slot >= :since
                    AND (s.well IS NULL OR c.slot > s.well)
            ) AS since FROM seen s
        )
        UPDATE webhooks.endpoint_state t
        SET failing_since = CASE
                WHEN b.well IS NULL AND b.since - coalesce(t.failed_at, t.failing_since, b.since) <= :rest
                    THEN coalesce(t.failing_since, b.since)
                ELSE b.since
            END,
            failed_at = CASE WHEN b.since IS NULL THEN NULL ELSE b.ill END
        FROM began b
        WHERE t.endpoint_id = b.endpoint_id AND (t.warned = 0 OR b.well IS NULL)
            AND (b.since IS NOT NULL OR t.failing_since IS NOT NULL)
    """).bindparams(bindparam("since", since, type_=_TIME), bindparam("rest", rest))


def long_failing(before: datetime, seen: datetime) -> Select[UUID, UUID]:
    """Workspace and id of active endpoints that have been failing since before a time, and still did at another."""
    return (
        select(Endpoint.workspace_id, Endpoint.id)
        .join(EndpointState, EndpointState.endpoint_id == Endpoint.id)
        .where(
            Endpoint.active,
            Endpoint.deleted_at.is_(None),
            EndpointState.failing_since <= before,
            EndpointState.failed_at >= seen,
        )
        .order_by(Endpoint.id)
    )


def untold() -> Select[Endpoint, EndpointState]:
    """An endpoint that was disabled and whose owner was not told; its state is locked, and passed over where another has it."""
    return _one(Endpoint.disabled_at.is_not(None), EndpointState.warned < DISABLED)


def recovered() -> Select[Endpoint, EndpointState]:
    """An endpoint whose owner was told that it fails, and at which something has arrived since, to the attempt.

    The log is asked only about endpoints of which the counts say that it may be so.
    """
    well = exists().where(
        AttemptCount.endpoint_id == EndpointState.endpoint_id,
        AttemptCount.delivered,
        AttemptCount.slot > EndpointState.failing_since - SLOT,
    )
    logged = _logged(EndpointState.endpoint_id, EndpointState.failing_since)
    failing = EndpointState.failing_since.is_not(None)
    return _one(Endpoint.active, EndpointState.warned > 0, failing, well, logged)


def _one(*which: Any) -> Select[Endpoint, EndpointState]:
    return (
        select(Endpoint, EndpointState)
        .join(EndpointState, EndpointState.endpoint_id == Endpoint.id)
        .where(Endpoint.deleted_at.is_(None), *which)
        .limit(1)
        .with_for_update(of=EndpointState, skip_locked=True)
    )


def arrived_since(endpoint_id: UUID, since: datetime) -> Select[bool]:
    """Whether anything has arrived since then, to the attempt."""
    return select(_logged(endpoint_id, since))


def _logged(endpoint_id: Any, since: Any) -> Exists:
    """That the log has a success of an endpoint since then."""
    return exists().where(
        Delivery.endpoint_id == endpoint_id,
        Delivery.last_attempt_at >= since,
        Attempt.event_id == Delivery.event_id,
        Attempt.endpoint_id == Delivery.endpoint_id,
        Attempt.at >= since,
        Attempt.status_code.between(200, 299),
    )
