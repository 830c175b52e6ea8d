"""Statements on replays. What is looked through is bounded in every one of them, however much or little of it is wanted."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, TextClause, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from ..endpoints.models import Endpoint
from .models import Replay
from .pauses import LONGEST_AWAKE

_UUIDS, _TEXTS = ARRAY(Uuid()), ARRAY(String())


def replay(workspace_id: UUID, replay_id: UUID) -> Select[Replay]:
    """One replay of a workspace."""
    return select(Replay).where(Replay.workspace_id == workspace_id, Replay.id == replay_id)


def replays(workspace_id: UUID, endpoint_id: UUID | None, before: UUID | None, limit: int) -> Select[Replay]:
    """Replays of a workspace, newest first, from below a given id."""
    statement = select(Replay).where(Replay.workspace_id == workspace_id)
    if endpoint_id is not None:
        statement = statement.where(Replay.endpoint_id == endpoint_id)
    if before is not None:
        statement = statement.where(Replay.id < before)
    return statement.order_by(Replay.id.desc()).limit(limit)


def unfinished(endpoint_id: UUID) -> Select[UUID]:
    """The replay of an endpoint that is under way."""
    return select(Replay.id).where(Replay.endpoint_id == endpoint_id, _UNFINISHED)


def next_step(now: datetime) -> Select[Replay]:
    """The replay whose step has been due longest and that no other replica works on now; locked until the transaction ends.

    One that rests is due as soon as its webhook is on again.
    """
    on = select(Endpoint.id).where(Endpoint.id == Replay.endpoint_id, Endpoint.active).exists()
    due = select(Replay).where(_UNFINISHED, (Replay.due_at <= now) | (Replay.due_at > now + LONGEST_AWAKE) & on)
    return due.order_by(Replay.due_at).limit(1).with_for_update(skip_locked=True)


_UNFINISHED = text("status IN ('counting', 'running', 'cancelling')")

_OF_DELIVERIES = """
    SELECT event_id, status, type FROM webhooks.deliveries
    WHERE endpoint_id = :endpoint AND event_id > :after AND event_id < :last {open}
    ORDER BY event_id LIMIT :most
"""
_OF_MESSAGES = """
    SELECT m.event_id, coalesce(d.status, 'missing') AS status, m.type
    FROM (
        SELECT event_id, type FROM webhooks.messages
        WHERE workspace_id = :workspace AND event_id > :after AND event_id < :last AND resource_id <> :itself
        ORDER BY event_id LIMIT :most
    ) m LEFT JOIN LATERAL (
        SELECT status FROM webhooks.deliveries WHERE event_id = m.event_id AND endpoint_id = :endpoint LIMIT 1
    ) d ON true
"""
_SEEN = """
    WITH seen AS MATERIALIZED (
        SELECT event_id, status,
            status = ANY (:statuses)
            AND (type = ANY (:exact) OR EXISTS (SELECT FROM unnest(:groups) g WHERE starts_with(type, g)))
            AND (status <> 'missing'
                OR type = ANY (:own_exact) OR EXISTS (SELECT FROM unnest(:own_groups) g WHERE starts_with(type, g))
            ) AS wanted
        FROM ({source}) looked_at
    )
"""
_LOOK = """
    (SELECT event_id, status, 0 AS looked_at FROM seen WHERE wanted ORDER BY event_id LIMIT :shown)
    UNION ALL
    (SELECT event_id, NULL, (SELECT count(*) FROM seen) FROM seen ORDER BY event_id DESC LIMIT 1)
    ORDER BY 3, 1
"""
_COUNT = """
    SELECT count(*) AS looked_at, count(*) FILTER (WHERE wanted) AS wanted,
        (SELECT event_id FROM seen ORDER BY event_id DESC LIMIT 1) AS last
    FROM seen
"""


def look(selected: Replay, own: Sequence[str], after: UUID, last: UUID, most: int, shown: int) -> TextClause:
    """The next events that are wanted, by id, with how they stand; last of all the number looked at, and the last of them.

    `own` are the endpoint's patterns of types; at `most` so many are looked at, and so many `shown`.
    """
    return _seen(selected, own, after, last, most, _LOOK).bindparams(shown=shown)


def count(selected: Replay, own: Sequence[str], after: UUID, last: UUID, most: int) -> TextClause:
    """How many of the next events are wanted, of how many, and the last of them."""
    return _seen(selected, own, after, last, most, _COUNT)


def _seen(selected: Replay, own: Sequence[str], after: UUID, last: UUID, most: int, rest: str) -> TextClause:
    """Driven by events where what is missing is wanted, else by deliveries: where it can be, by those that did not arrive."""
    missing, delivered = "missing" in selected.statuses, "delivered" in selected.statuses
    source = _OF_MESSAGES if missing else _OF_DELIVERIES.format(open="" if delivered else "AND status <> 'delivered'")
    named: dict[str, Any] = {"workspace": selected.workspace_id, "itself": str(selected.endpoint_id)} if missing else {}
    exact, groups = _patterns(selected.events)
    own_exact, own_groups = _patterns(own)
    return text(_SEEN.format(source=source) + rest).bindparams(
        bindparam("statuses", selected.statuses, type_=_TEXTS),
        bindparam("exact", exact, type_=_TEXTS),
        bindparam("groups", groups, type_=_TEXTS),
        bindparam("own_exact", own_exact, type_=_TEXTS),
        bindparam("own_groups", own_groups, type_=_TEXTS),
        endpoint=selected.endpoint_id,
        after=after,
        last=last,
        most=most,
        **named,
    )


def _patterns(patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Patterns as types, and as what types of a group begin with."""
    return [each for each in patterns if "*" not in each], [each[:-1] for each in patterns if each.endswith("*")]


def payloads(event_ids: Collection[UUID]) -> TextClause:
    """Events as they came, those that are not erased."""
    return text("""
        SELECT m.event_id, m.payload FROM unnest(:events) w(event_id) CROSS JOIN LATERAL (
            SELECT event_id, payload FROM webhooks.messages WHERE event_id = w.event_id AND erased_at IS NULL LIMIT 1
        ) m
    """).bindparams(_events(event_ids))


def hold(endpoint_id: UUID, event_ids: Collection[UUID]) -> TextClause:
    """The deliveries of these events, locked, and which of them hold up others, so that their owner has to decide."""
    return text("""
        SELECT event_id, status, attempts, EXISTS (
            SELECT FROM webhooks.due u WHERE u.delivery_id = d.delivery_id AND u.blocked_at IS NOT NULL
        ) AS blocks
        FROM webhooks.deliveries d
        WHERE event_id = ANY (:events) AND endpoint_id = :endpoint ORDER BY event_id FOR UPDATE
    """).bindparams(_events(event_ids), endpoint=endpoint_id)


SEND = text("""
    WITH sent AS MATERIALIZED (
        SELECT r.*, m.type, m.resource_id, m.stream_seq
        FROM unnest(
            CAST(:events AS uuid[]), CAST(:deliveries AS uuid[]), CAST(:states AS text[]), CAST(:attempts AS int[])
        ) AS r(event_id, delivery_id, was, attempts)
        CROSS JOIN LATERAL (
            SELECT type, resource_id, stream_seq FROM webhooks.messages
            WHERE event_id = r.event_id AND erased_at IS NULL LIMIT 1
        ) m
        WHERE NOT EXISTS (SELECT FROM webhooks.erased_events e WHERE e.event_id = r.event_id)
    ), made AS (
        INSERT INTO webhooks.deliveries
            (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status, attempts)
        SELECT event_id, CAST(:endpoint AS uuid), delivery_id, CAST(:workspace AS uuid), type, resource_id, 'pending', 0
        FROM sent WHERE was = 'missing' ON CONFLICT DO NOTHING
    ), again AS (
        UPDATE webhooks.deliveries d SET status = 'pending' FROM sent
        WHERE d.event_id = ANY (CAST(:events AS uuid[])) AND d.event_id = sent.event_id AND d.endpoint_id = :endpoint
            AND d.status <> 'delivered' AND was <> 'missing'
    ), due AS (
        INSERT INTO webhooks.due (delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at, attempts, trigger)
        SELECT delivery_id, event_id, CAST(:endpoint AS uuid), stream_seq, CAST(:now AS timestamptz), 1, 'replay' FROM sent ORDER BY delivery_id
        ON CONFLICT DO NOTHING
    ), kept AS (
        INSERT INTO webhooks.replay_items (replay_id, event_id, delivery_id, was, attempts)
        SELECT CAST(:replay AS uuid), event_id, delivery_id, was, attempts FROM sent
    )
    SELECT count(*) FROM sent
""")
"""Have deliveries attempted now, once, of the events that are not erased; how many. What is delivered stays that; the others are
pending meanwhile. `event_id = ANY` here and below, beside the join, has only the partitions of these events looked into.
"""

CAME = text("""
    WITH ended AS (
        DELETE FROM webhooks.replay_items i
        WHERE replay_id = :replay AND NOT EXISTS (
            SELECT FROM webhooks.due u WHERE u.delivery_id = i.delivery_id AND u.trigger IN ('replay', 'manual')
        )
        RETURNING event_id, attempts
    ), came AS (
        SELECT coalesce(d.attempts, 0) > e.attempts AS tried, d.last_status_code BETWEEN 200 AND 299 AS well
        FROM ended e LEFT JOIN LATERAL (
            SELECT attempts, last_status_code FROM webhooks.deliveries
            WHERE event_id = e.event_id AND endpoint_id = :endpoint LIMIT 1
        ) d ON true
    )
    SELECT count(*) FILTER (WHERE tried AND well) AS delivered,
        count(*) FILTER (WHERE tried AND well IS NOT TRUE) AS failed, count(*) FILTER (WHERE NOT tried) AS skipped,
        (SELECT count(*) FROM webhooks.replay_items WHERE replay_id = :replay) - count(*) AS under_way
    FROM came
""")
"""What has ended of a replay, which is forgotten, and how: an attempt was made since, or what was due went without one. And how much
is still under way: what is deleted here is still seen in the same statement.
"""

WITHDRAW = text("""
    WITH waiting AS MATERIALIZED (
        SELECT u.delivery_id, i.event_id, i.was
        FROM webhooks.replay_items i JOIN webhooks.due u ON u.delivery_id = i.delivery_id
        WHERE i.replay_id = :replay AND u.trigger = 'replay' AND u.lease_until <= CAST(:now AS timestamptz)
        ORDER BY u.delivery_id FOR UPDATE OF u
    ), gone AS (
        DELETE FROM webhooks.due u USING waiting w WHERE u.delivery_id = w.delivery_id
    ), unmade AS (
        DELETE FROM webhooks.deliveries d USING waiting w
        WHERE d.event_id = ANY (ARRAY(SELECT event_id FROM waiting)) AND d.event_id = w.event_id
            AND d.endpoint_id = :endpoint AND w.was = 'missing' AND d.attempts = 0
    ), restored AS (
        UPDATE webhooks.deliveries d SET status = w.was FROM waiting w
        WHERE d.event_id = ANY (ARRAY(SELECT event_id FROM waiting)) AND d.event_id = w.event_id
            AND d.endpoint_id = :endpoint AND w.was <> 'missing' AND d.status = 'pending'
    )
    DELETE FROM webhooks.replay_items i
    WHERE i.replay_id = :replay AND (
        i.event_id IN (SELECT event_id FROM waiting)
        OR EXISTS (
            SELECT FROM webhooks.due u
            WHERE u.delivery_id = i.delivery_id AND u.trigger = 'manual' AND u.lease_until <= CAST(:now AS timestamptz)
        )
    )
""")
"""Take back what waits; what is under way is left to end. Everything is as it was before, and what somebody has had retried by hand
meanwhile is not of the replay any more.
"""


def _events(event_ids: Collection[UUID]) -> Any:
    return bindparam("events", list(event_ids), type_=_UUIDS)
