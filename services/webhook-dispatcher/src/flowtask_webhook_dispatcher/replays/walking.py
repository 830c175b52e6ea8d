"""The steps of a replay. Each is one transaction under the lock of its row: counts and what they count change together."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_replays import Replayed, ReplayStatus
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.ids import utc_now

from ..deliveries.identity import delivery_id, first_id_of
from ..endpoints import queries as endpoint_queries
from ..endpoints.errors import EndpointNotFound
from ..endpoints.models import Endpoint
from ..endpoints.service import held
from . import looking, queries
from .models import REFILLED, SPARE, WINDOW, Came, Replay
from .pauses import Pauses

COUNT_SECONDS = 0.5


async def next_step(tx: AsyncSession, pauses: Pauses, keep_days: int) -> timedelta | None:
    """Take the step of one replay that is due, and say in how long the next one is worth a look; None when none is due."""
    replay = await tx.scalar(queries.next_step(utc_now()))
    if replay is None:
        return None
    statement = endpoint_queries.endpoint_with_state(replay.workspace_id, replay.endpoint_id)
    row = (await tx.execute(statement)).one_or_none()
    endpoint, state = (None, None) if row is None else (row[0], row[1])
    if endpoint is None and replay.status != ReplayStatus.CANCELLING:
        replay.cancel(utc_now())  # the webhook was deleted
    lacking = 0
    if replay.status == ReplayStatus.CANCELLING:
        lacking = await withdraw(tx, replay)
    elif endpoint is not None:
        lacking = await _advance(tx, replay, endpoint, keep_days)
    now = utc_now()
    pause = pauses.after(replay, endpoint, state, lacking, now)
    if replay.unfinished:
        replay.wait(pause, now)
    await tx.flush()
    crashpoint("dispatcher.replaying")
    return pause


async def withdraw(tx: AsyncSession, replay: Replay) -> int:
    """Take back what waits, and see what has ended of the rest; with nothing left under way it is cancelled. How much is left."""
    now = utc_now()
    await tx.execute(queries.WITHDRAW, {"replay": replay.id, "endpoint": replay.endpoint_id, "now": now})
    under_way = await _settle(tx, replay)
    if not under_way:
        replay.cancelled(now)
    return under_way


async def _advance(tx: AsyncSession, replay: Replay, endpoint: Endpoint, keep_days: int) -> int:
    """Count on, or see what has ended and send more; how many have to end before there is more to do."""
    oldest = looking.oldest_kept(utc_now().date(), keep_days)
    if replay.status == ReplayStatus.COUNTING:
        await looking.count(tx, replay, endpoint, oldest, COUNT_SECONDS)
        return 0
    under_way = await _settle(tx, replay)
    if not endpoint.active and first_id_of(replay.until) < oldest:
        replay.cancel(utc_now())  # nothing that it is of is kept any more
        return 0
    if under_way > REFILLED or (under_way and not endpoint.active):
        return _lacking(under_way)
    found = await looking.find(tx, replay, endpoint, oldest, WINDOW - under_way)
    if found.events and not endpoint.active:
        return 0
    sent = await _send(tx, replay, found.events)
    replay.settle(Came(skipped=len(found.events) - sent))
    replay.go_on(found.last, under_way + sent)
    if not found.ended:
        return _lacking(under_way + sent)
    if not under_way and not sent:
        await _complete(tx, replay, timedelta(days=keep_days))
    return under_way + sent


def _lacking(under_way: int) -> int:
    """How many have to end before there is room for more, worth a step."""
    return under_way - REFILLED + SPARE if under_way > REFILLED else 0


async def _complete(tx: AsyncSession, replay: Replay, keep: timedelta) -> None:
    """Nothing is left; what a recovery has sent is not offered any more."""
    try:  # what it misses may have changed meanwhile
        endpoint, state = await held(tx, replay.workspace_id, replay.endpoint_id)
    except EndpointNotFound:
        return  # it was deleted just now: the next step cancels
    replay.complete(utc_now())
    if replay.recovery:
        state.missed_since = _still_missed(replay, endpoint, state.missed_since, keep)


def _still_missed(replay: Replay, endpoint: Endpoint, since: datetime | None, keep: timedelta) -> datetime | None:
    """Since when events are missed, once a recovery has sent its own: what came behind its end is not among them."""
    if since is None or not replay.since <= max(since, replay.created_at - keep) < replay.until:
        return since
    off_again = endpoint.updated_at > replay.created_at  # it may have been
    return replay.until if off_again or replay.until < replay.created_at else None


async def _settle(tx: AsyncSession, replay: Replay) -> int:
    """Count what has ended; how many are still under way."""
    came = (await tx.execute(queries.CAME, {"replay": replay.id, "endpoint": replay.endpoint_id})).one()
    replay.settle(Came(came.delivered, came.failed, came.skipped))
    return int(came.under_way)


async def _send(tx: AsyncSession, replay: Replay, events: Sequence[UUID]) -> int:
    """Have these attempted, as far as they are still wanted and can be sent; how many."""
    if not events:
        return 0
    known = {row.event_id: row for row in await tx.execute(queries.hold(replay.endpoint_id, events))}
    rows = []
    for event_id in events:
        delivery = known.get(event_id)
        was = Replayed.MISSING.value if delivery is None else delivery.status
        if was in replay.statuses and not (delivery is not None and delivery.blocks):
            attempts = 0 if delivery is None else delivery.attempts
            rows.append((event_id, delivery_id(event_id, replay.endpoint_id), was, attempts))
    return await tx.scalar(queries.SEND, _columns(replay, rows, utc_now())) or 0 if rows else 0


def _columns(replay: Replay, rows: Sequence[tuple[Any, ...]], now: datetime) -> dict[str, Any]:
    columns = dict(zip(("events", "deliveries", "states", "attempts"), map(list, zip(*rows, strict=True)), strict=True))
    own = {"replay": replay.id, "endpoint": replay.endpoint_id, "workspace": replay.workspace_id, "now": now}
    return {**columns, **own}
