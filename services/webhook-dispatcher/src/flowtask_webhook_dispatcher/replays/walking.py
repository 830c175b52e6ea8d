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
from ..endpoints.models import Endpoint, EndpointState
from ..endpoints.service import held
from . import looking, queries
from .models import WINDOW, Came, Replay

PACE = timedelta(seconds=0.1)
"""Between two steps of a replay."""

HELD = timedelta(seconds=1)
"""The same while its webhook's circuit is not closed, or it was turned off not long ago."""

RESTING = timedelta(seconds=15)
"""The same while its webhook is off for longer than a minute."""

SOON = timedelta(minutes=1)

COUNT_SECONDS = 0.5


async def next_step(tx: AsyncSession, keep_days: int) -> bool:
    """Take the step of one replay that is due; False when none is."""
    replay = await tx.scalar(queries.next_step(utc_now()))
    if replay is None:
        return False
    statement = endpoint_queries.endpoint_with_state(replay.workspace_id, replay.endpoint_id)
    row = (await tx.execute(statement)).one_or_none()
    if row is None and replay.status != ReplayStatus.CANCELLING:
        replay.cancel(utc_now())  # the webhook was deleted
    if replay.status == ReplayStatus.CANCELLING:
        await withdraw(tx, replay)
    elif row is not None:
        await _advance(tx, replay, row[0], row[1], keep_days)
    if replay.unfinished:
        replay.wait(PACE if row is None else _pause(row[0], row[1], utc_now()), utc_now())
    await tx.flush()
    crashpoint("dispatcher.replaying")
    return True


async def withdraw(tx: AsyncSession, replay: Replay) -> None:
    """Take back what waits, and see what has ended of the rest; with nothing left under way it is cancelled."""
    now = utc_now()
    await tx.execute(queries.WITHDRAW, {"replay": replay.id, "endpoint": replay.endpoint_id, "now": now})
    if not await _settle(tx, replay):
        replay.cancelled(now)


def _pause(endpoint: Endpoint, state: EndpointState, now: datetime) -> timedelta:
    """How long until there may be something to do."""
    if not endpoint.active and now - endpoint.updated_at > SOON:
        return RESTING
    return PACE if endpoint.active and state.open_until is None else HELD


async def _advance(tx: AsyncSession, replay: Replay, endpoint: Endpoint, state: EndpointState, keep_days: int) -> None:
    oldest = looking.oldest_kept(utc_now().date(), keep_days)
    if replay.status == ReplayStatus.COUNTING:
        await looking.count(tx, replay, endpoint, oldest, COUNT_SECONDS)
        return
    under_way = await _settle(tx, replay)
    if not endpoint.active and first_id_of(replay.until) < oldest:
        replay.cancel(utc_now())  # nothing that it is of is kept any more
    if not endpoint.active or under_way > WINDOW // 2:
        return
    found = await looking.find(tx, replay, endpoint, oldest, WINDOW - under_way)
    sent = await _send(tx, replay, found.events)
    replay.settle(Came(skipped=len(found.events) - sent))
    replay.go_on(found.last, under_way + sent)
    if found.ended and not under_way and not sent:
        _, state = await held(tx, replay.workspace_id, replay.endpoint_id)  # what it misses may have changed meanwhile
        replay.complete(utc_now())
        if replay.recovery:
            state.missed_since = _still_missed(replay, endpoint, state.missed_since, timedelta(days=keep_days))


def _still_missed(replay: Replay, endpoint: Endpoint, since: datetime | None, keep: timedelta) -> datetime | None:
    """Since when events are missed, once a recovery has sent its own: what came behind its end is not among them."""
    if since is None or not replay.since <= max(since, replay.created_at - keep) < replay.until:
        return since
    off_again = endpoint.updated_at > replay.created_at  # it may have been
    return replay.until if off_again or replay.until < replay.created_at else None


async def _settle(tx: AsyncSession, replay: Replay) -> int:
    """Count what has ended; how many are still under way."""
    named = {"replay": replay.id, "endpoint": replay.endpoint_id}
    came = (await tx.execute(queries.CAME, named)).one()
    replay.settle(Came(came.delivered, came.failed, came.skipped))
    return await tx.scalar(queries.UNDER_WAY, named) or 0


async def _send(tx: AsyncSession, replay: Replay, events: Sequence[UUID]) -> int:
    """Have these attempted, as far as they are still wanted and can be sent; how many."""
    if not events:
        return 0
    known = {row.event_id: row for row in await tx.execute(queries.hold(replay.endpoint_id, events))}
    rows: list[tuple[Any, ...]] = []
    for message in await tx.execute(queries.messages(events)):
        delivery = known.get(message.event_id)
        was = Replayed.MISSING.value if delivery is None else delivery.status
        if was in replay.statuses and not (delivery is not None and delivery.blocks):
            attempts = 0 if delivery is None else delivery.attempts
            identity = delivery_id(message.event_id, replay.endpoint_id)
            rows.append(
                (message.event_id, identity, message.type, message.resource_id, message.stream_seq, was, attempts)
            )
    if rows:
        await tx.execute(queries.SEND, _columns(replay, rows, utc_now()))
    return len(rows)


def _columns(replay: Replay, rows: Sequence[tuple[Any, ...]], now: datetime) -> dict[str, Any]:
    names = ("events", "deliveries", "types", "resources", "seqs", "states", "attempts")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    own = {"replay": replay.id, "endpoint": replay.endpoint_id, "workspace": replay.workspace_id, "now": now}
    return {**columns, **own}
