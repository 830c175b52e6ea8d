"""Statements on endpoints to which nothing arrives."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Select, TextClause, bindparam, func, select, text

from flowtask_contracts.commands.webhook_deliveries import DeliveryStatus

from ..database import JobRun
from ..deliveries.identity import first_id_of
from ..deliveries.models import Attempt, Delivery
from ..endpoints.models import Endpoint, EndpointState
from ..health.models import SLOT, AttemptCount
from .rules import DISABLED

_TIME = DateTime(timezone=True)
_TRIED_FOR = timedelta(days=6)
"""From an event to the last attempt of its schedule, which takes five days at most."""


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

    A success ends it; so does a rest. Where an owner was told, the success is for `recovering` to see and to tell. What failed
    before the time began anew is not of it.
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
            AND (b.well IS NOT NULL OR t.failing_since IS NULL OR t.failed_at IS NOT NULL OR b.ill > t.failing_since - :slot)
    """).bindparams(bindparam("since", since, type_=_TIME), bindparam("rest", rest), bindparam("slot", SLOT))


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


def recovering(fresh: datetime) -> Select[UUID, Any, bool]:
    """Endpoints whose owners were told that they fail, and at which something may have arrived since then, by the counts.

    Their ids, since when they have been failing, and whether the counts leave no doubt. Where they do, it arrived within the five
    minutes in which the failing began; once that was before `fresh` it is left out, and waits for the next arrival.
    """
    later = func.max(AttemptCount.slot) > EndpointState.failing_since
    return (
        select(EndpointState.endpoint_id, EndpointState.failing_since, later)
        .join(Endpoint, Endpoint.id == EndpointState.endpoint_id)
        .join(AttemptCount, AttemptCount.endpoint_id == EndpointState.endpoint_id)
        .where(
            Endpoint.active,
            Endpoint.deleted_at.is_(None),
            EndpointState.warned > 0,
            AttemptCount.delivered,
            AttemptCount.slot > EndpointState.failing_since - SLOT,
        )
        .group_by(EndpointState.endpoint_id)
        .having(later | (EndpointState.failing_since > fresh))
        .order_by(later.desc(), EndpointState.endpoint_id)
        .limit(_LOOKED_AT)
    )


_LOOKED_AT = 100


def told(endpoint_id: UUID, since: datetime) -> Select[Endpoint, EndpointState]:
    """An endpoint whose owner was told that it fails, if it is active and still said to have been failing since then; locked likewise."""
    return _one(
        Endpoint.id == endpoint_id, Endpoint.active, EndpointState.warned > 0, EndpointState.failing_since == since
    )


def _one(*which: Any) -> Select[Endpoint, EndpointState]:
    return (
        select(Endpoint, EndpointState)
        .join(EndpointState, EndpointState.endpoint_id == Endpoint.id)
        .where(Endpoint.deleted_at.is_(None), *which)
        .limit(1)
        .with_for_update(of=EndpointState, skip_locked=True)
    )


def given_up(endpoint_id: UUID, since: datetime) -> Select[bool]:
    """Whether anything that happened since then was given up."""
    gone = (DeliveryStatus.FAILED, DeliveryStatus.EXPIRED)
    found = select(Delivery.event_id).where(
        Delivery.endpoint_id == endpoint_id,
        Delivery.event_id >= first_id_of(since),
        Delivery.status.in_(gone),
    )
    return select(found.exists())


def last_arrival(endpoint_id: UUID, since: datetime) -> Select[datetime]:
    """When something arrived the last time, if it was later than that: to the attempt, as the log has it.

    Only events are looked at that their schedules may have sent then; of what was sent again of older ones the counts know.
    """
    first = first_id_of(since - _TRIED_FOR)
    return select(func.max(Attempt.at)).where(
        Delivery.endpoint_id == endpoint_id,
        Delivery.event_id >= first,
        Delivery.last_attempt_at > since,
        Attempt.event_id == Delivery.event_id,
        Attempt.endpoint_id == Delivery.endpoint_id,
        Attempt.event_id >= first,
        Attempt.at > since,
        Attempt.status_code.between(200, 299),
    )
