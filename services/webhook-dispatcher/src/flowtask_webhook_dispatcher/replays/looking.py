"""Looking for what a replay is of, some events at a time: those that SQL finds, and of them those that the endpoint's filter lets through."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import orjson
from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_replays import Replayed

from ..deliveries.identity import first_id_of
from ..deliveries.partitions import bounds
from ..endpoints.models import Endpoint
from ..filters.compiling import compiled
from . import queries
from .models import Replay

LOOKED_AT = 500
COUNTED = 20_000
JUDGED = 300
"""Events at a time: to send, to count, and where a filter has to read them."""

FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Found:
    """The next events that are wanted; everything up to `last` has been looked at, and `ended` if nothing is behind it."""

    events: Sequence[UUID]
    last: UUID | None
    ended: bool


def oldest_kept(today: date, keep_days: int) -> UUID:
    """What is older may be half gone: deliveries go before their events, and would be missing."""
    return bounds(today - timedelta(days=keep_days))[0]


async def find(tx: AsyncSession, replay: Replay, endpoint: Endpoint, oldest: UUID, most: int) -> Found:
    """At most so many events whose turn is next."""
    after, last = _span(replay, replay.reached, oldest)
    judged = _judged(replay, endpoint)
    at_once = JUDGED if judged else LOOKED_AT
    shown = at_once if judged else most + 1
    wanted, looked_at, number = await _look(tx, queries.look(replay, endpoint.events, after, last, at_once, shown))
    if judged:
        refused = await _refused(tx, endpoint, [each for each, status in wanted.items() if status == Replayed.MISSING])
        wanted = {event_id: status for event_id, status in wanted.items() if event_id not in refused}
    events = list(wanted)[:most]
    if len(events) < len(wanted):
        return Found(events, events[-1], ended=False)
    return Found(events, looked_at, ended=number < at_once)


async def count(tx: AsyncSession, replay: Replay, endpoint: Endpoint, oldest: UUID, seconds: float) -> None:
    """Count what there is, for about so long; it is still `counting` where that was not long enough."""
    until, ended = time.monotonic() + seconds, False
    while not ended:
        number, last, ended = await _counted(tx, replay, endpoint, oldest)
        replay.count(number, last, ended=ended)
        if time.monotonic() >= until:
            return


async def _counted(tx: AsyncSession, replay: Replay, endpoint: Endpoint, oldest: UUID) -> tuple[int, UUID | None, bool]:
    after, last = _span(replay, replay.counted, oldest)
    if not _judged(replay, endpoint):
        row = (await tx.execute(queries.count(replay, endpoint.events, after, last, COUNTED))).one()
        return row.wanted, row.last, row.looked_at < COUNTED
    wanted, looked_at, number = await _look(tx, queries.look(replay, endpoint.events, after, last, JUDGED, JUDGED))
    refused = await _refused(tx, endpoint, [each for each, status in wanted.items() if status == Replayed.MISSING])
    return len(wanted) - len(refused), looked_at, number < JUDGED


async def _look(tx: AsyncSession, statement: TextClause) -> tuple[dict[UUID, str], UUID | None, int]:
    """What is wanted, by event; the last event that was looked at, and how many were."""
    rows = (await tx.execute(statement)).all()
    if not rows:
        return {}, None, 0
    return {row.event_id: row.status for row in rows[:-1]}, rows[-1].event_id, rows[-1].looked_at


def _span(replay: Replay, done: UUID | None, oldest: UUID) -> tuple[UUID, UUID]:
    """After which event to go on, and before which one to end."""
    begin = max(first_id_of(replay.since), oldest)
    before = UUID(int=max(0, begin.int - 1))
    return before if done is None else max(done, before), first_id_of(replay.until)


def _judged(replay: Replay, endpoint: Endpoint) -> bool:
    return endpoint.filter is not None and Replayed.MISSING in replay.statuses


async def _refused(tx: AsyncSession, endpoint: Endpoint, event_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the events that the filter does not let through; of one that is erased nothing can be said, so it does not."""
    if not event_ids:
        return set()
    assert endpoint.filter is not None
    holds, refused = compiled(endpoint.filter), set(event_ids)
    for event_id, payload in await tx.execute(queries.payloads(event_ids)):
        if holds(orjson.loads(payload)):
            refused.discard(event_id)
    return refused
