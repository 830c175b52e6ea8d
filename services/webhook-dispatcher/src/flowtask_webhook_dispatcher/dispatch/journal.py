"""Writing what has happened, one transaction a batch."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from flowtask_contracts.commands.webhook_deliveries import Trigger
from flowtask_kit.ids import utc_now

from ..deliveries.identity import first_id_of
from ..deliveries.models import NEVER, Accepted, DueAgain, GivenUp, Next, status_of
from ..endpoints.breaker import MERCY
from ..transport import Timings
from . import metrics, statements
from .plans import Plan, after_attempt, after_claim
from .work import Attempted, Cancelled, Deferred, Disabled, Entry, Parcel, Released, Seen, Shelved, Tripped

NO_LEASE = datetime(1970, 1, 1, tzinfo=UTC)

Followed = tuple[Attempted, Next]
"""An attempt and what follows from it."""


class Journal:
    """Turns entries into rows. `lease` is how long a claim of an attempt under way holds; `due` hears of due times.

    `ended` hears of attempts in order that are on record: others may have their turn now.
    """

    def __init__(
        self,
        *,
        lease: timedelta,
        due: Callable[[datetime], None],
        ended: Callable[[Parcel], None] = lambda _parcel: None,
    ) -> None:
        self._lease = lease
        self._due = due
        self._ended = ended
        self._times: list[datetime] = []

    async def write(self, pool: "asyncpg.Pool[Any]", batch: Sequence[Entry]) -> None:
        """Commit all of the batch or nothing."""
        self._times.clear()
        fresh = _first_attempts(batch, utc_now())
        final = [followed for followed in fresh if not isinstance(followed[1], DueAgain)]
        async with pool.acquire() as connection:
            if len(final) + sum(isinstance(entry, Seen) for entry in batch) == len(batch):
                await _straight(connection, batch, final)
            else:
                async with connection.transaction():
                    await self._write(connection, batch, fresh)
        for at in self._times:
            self._due(at)
        for entry in batch:
            if isinstance(entry, Attempted) and entry.parcel.place is not None:
                self._ended(entry.parcel)

    async def _write(self, connection: Any, batch: Sequence[Entry], fresh: Sequence[Followed]) -> None:
        await _messages(connection, batch)
        await self._defer(connection, [entry for entry in batch if isinstance(entry, Deferred)])
        await self._fresh(connection, fresh)
        claimed = [entry for entry in batch if isinstance(entry, Attempted) and entry.parcel.claim_no > 0]
        await self._claimed(connection, claimed)
        await _shelve(connection, [entry.parcel for entry in batch if isinstance(entry, Shelved)])
        await _release(connection, [entry for entry in batch if isinstance(entry, Released)])
        await _cancel(connection, [entry.parcel for entry in batch if isinstance(entry, Cancelled)])
        await self._endpoints(connection, batch)

    async def _endpoints(self, connection: Any, batch: Sequence[Entry]) -> None:
        """What becomes of endpoints, at one revision, so that every replica learns of it."""
        backlog = {entry.parcel.receiver.id for entry in batch if isinstance(entry, Deferred) and entry.backlog}
        tripped = {entry.endpoint_id: entry for entry in batch if isinstance(entry, Tripped)}  # the last one counts
        disabled = {entry.endpoint_id: entry for entry in batch if isinstance(entry, Disabled)}
        if not (backlog or tripped or disabled):
            return
        await connection.execute(statements.HOLD, [*backlog, *tripped, *disabled])
        changed: list[asyncpg.Record] = []
        if backlog:
            changed += await connection.fetch(statements.MANAGE, list(backlog))
        if tripped:
            changed += await _trip(connection, [*tripped.values()])
        if disabled:
            ends = disabled.values()
            columns = ([getattr(each, name) for each in ends] for name in ("endpoint_id", "url", "reason", "at"))
            changed += await connection.fetch(statements.DISABLE, *columns, MERCY)
        since = {each.endpoint_id: moment for each in tripped.values() if (moment := each.recover_since) is not None}
        if since:
            now = utc_now()
            await connection.execute(statements.RECOVER, list(since), list(since.values()), now)
            firsts = [first_id_of(moment) for moment in since.values()]
            await connection.execute(statements.OFFER, list(since), list(since.values()), firsts)
            self._times.append(now)
        if changed:
            await connection.execute(statements.REVISE, [row["endpoint_id"] for row in changed])

    async def _defer(self, connection: Any, entries: Sequence[Deferred]) -> None:
        if not entries:
            return
        parcels = [entry.parcel for entry in entries]
        await connection.execute(statements.PENDING, *_columns(parcels))
        leased_until = utc_now() + self._lease
        await connection.execute(
            statements.DUE,
            [parcel.delivery_id for parcel in parcels],
            [parcel.event.id for parcel in parcels],
            [parcel.receiver.id for parcel in parcels],
            [parcel.stream_seq for parcel in parcels],
            [entry.due_at if entry.parcel.place is None else NEVER for entry in entries],
            [leased_until if entry.leased else NO_LEASE for entry in entries],
            [1 if entry.leased else 0 for entry in entries],
            [parcel.attempts for parcel in parcels],
            *_places(parcels),
            [None if entry.parcel.place is None else entry.due_at for entry in entries],
        )
        self._times.extend(entry.due_at for entry in entries if not entry.leased)

    async def _fresh(self, connection: Any, followed: Sequence[Followed]) -> None:
        """First attempts straight from the stream: the due table is touched only if another one is needed."""
        await _record(connection, followed)
        again = [(entry.parcel, following.at) for entry, following in followed if isinstance(following, DueAgain)]
        if again:
            await connection.execute(
                statements.DUE,
                [parcel.delivery_id for parcel, _ in again],
                [parcel.event.id for parcel, _ in again],
                [parcel.receiver.id for parcel, _ in again],
                [parcel.stream_seq for parcel, _ in again],
                [at for _, at in again],
                [NO_LEASE] * len(again),
                [0] * len(again),
                [parcel.attempts + 1 for parcel, _ in again],
                *_places([parcel for parcel, _ in again]),
                [None] * len(again),
            )
        self._times.extend(at for _, at in again)

    async def _claimed(self, connection: Any, entries: Sequence[Attempted]) -> None:
        """Results of due rows: only the current claim's settles, except success, which always does."""
        if not entries:
            return
        locked = await connection.fetch(statements.SETTLE_LOCK, [entry.parcel.delivery_id for entry in entries])
        rows = {row["delivery_id"]: row for row in locked}
        now = utc_now()
        settled: list[tuple[Attempted, Next]] = []
        done: list[UUID] = []
        again: list[tuple[UUID, Plan]] = []
        for entry in entries:
            row = rows.get(entry.parcel.delivery_id)
            current = row is not None and row["claim_no"] == entry.parcel.claim_no
            if not current and not isinstance(entry.result.outcome, Accepted):
                metrics.LATE_RESULTS.inc()
                continue
            following, plan = after_claim(entry, row, now)
            settled.append((entry, following))
            if plan is None:
                done.append(entry.parcel.delivery_id)
            else:
                again.append((entry.parcel.delivery_id, plan))
        await _record(connection, settled)
        if done:
            await connection.execute(statements.DUE_DONE, done)
        if again:
            columns = (list(column) for column in zip(*(plan for _, plan in again), strict=True))
            await connection.execute(statements.DUE_AGAIN, [delivery_id for delivery_id, _ in again], *columns)
        self._times.extend(plan.at for _, plan in again if plan.at < NEVER)


def _first_attempts(batch: Iterable[Entry], now: datetime) -> list[Followed]:
    """The attempts made straight from the stream, with what follows each."""
    return [
        (entry, after_attempt(entry, entry.parcel.attempts + 1, now))
        for entry in batch
        if isinstance(entry, Attempted) and entry.parcel.claim_no == 0
    ]


async def _straight(connection: Any, batch: Sequence[Entry], final: Sequence[Followed]) -> None:
    """The happy path: one statement, which is its own transaction."""
    if final:
        await connection.execute(statements.RECORD_WITH_MESSAGES, _results(final), _arrived(batch))
    else:
        await _messages(connection, batch)


async def _record(connection: Any, settled: Sequence[Followed]) -> None:
    if settled:
        await connection.execute(statements.RECORD, _results(settled))


def _results(settled: Sequence[Followed]) -> list[tuple[Any, ...]]:
    """Attempts and what they come to, as `webhooks.written_attempt`."""
    return [_row(entry, following) for entry, following in settled]


def _row(entry: Attempted, following: Next) -> tuple[Any, ...]:
    parcel, result, event = entry.parcel, entry.result, entry.parcel.event
    dns, connect, tls, first_byte, _ = result.timings or _NO_TIMINGS
    return (
        event.id,
        parcel.receiver.id,
        parcel.delivery_id,
        event.workspace_id,
        event.type,
        event.resource_id,
        status_of(following),
        _recoverable(entry, following),
        parcel.trigger,
        result.at,
        result.duration_ms,
        result.status_code,
        result.error,
        result.error_code,
        None if dns is None else dns * 1000,
        None if connect is None else connect * 1000,
        None if tls is None else tls * 1000,
        None if first_byte is None else first_byte * 1000,
        result.trace_id,
        result.request_headers,
        result.response_headers,
        result.response_body,
        result.response_truncated,
    )


_NO_TIMINGS = Timings(None, None, None, None, 0.0)


def _recoverable(entry: Attempted, following: Next) -> bool:
    """Whether another round is owed when an outage turns out to have been the reason: once, and to what was tried by schedule.

    What goes in order has none, for others have gone past it.
    """
    parcel = entry.parcel
    exhausted = isinstance(following, GivenUp) and following.exhausted
    return exhausted and parcel.trigger is Trigger.SCHEDULE and parcel.place is None


def _columns(parcels: Sequence[Parcel]) -> tuple[list[Any], ...]:
    """The columns that name a delivery: event, endpoint, delivery and workspace ids, type, resource."""
    return (
        [parcel.event.id for parcel in parcels],
        [parcel.receiver.id for parcel in parcels],
        [parcel.delivery_id for parcel in parcels],
        [parcel.event.workspace_id for parcel in parcels],
        [parcel.event.type for parcel in parcels],
        [parcel.event.resource_id for parcel in parcels],
    )


def _places(parcels: Sequence[Parcel]) -> tuple[list[str | None], list[str | None]]:
    """The columns that say in whose order a row goes: key and group."""
    places = [parcel.place or NO_PLACE for parcel in parcels]
    return [key for key, _ in places], [group for _, group in places]


NO_PLACE = (None, None)


async def _messages(connection: Any, batch: Iterable[Entry]) -> None:
    if arrived := _arrived(batch):
        await connection.execute(statements.MESSAGES, arrived)


def _arrived(batch: Iterable[Entry]) -> list[tuple[Any, ...]]:
    """Every event that came with the stream, once, matched or not, as `webhooks.written_message`."""
    rows = {}
    for entry in batch:
        arrival = entry.arrival
        if arrival is not None and not arrival.on_record:
            event, seq = arrival.event, arrival.stream_seq
            rows[event.id] = (event.id, event.workspace_id, event.type, event.resource_id, seq, event.raw)
    return [*rows.values()]


async def _release(connection: Any, entries: Sequence[Released]) -> None:
    if entries:
        await connection.execute(
            statements.RELEASE,
            [entry.parcel.delivery_id for entry in entries],
            [entry.parcel.claim_no for entry in entries],
            [entry.due_at for entry in entries],
        )


async def _shelve(connection: Any, parcels: Sequence[Parcel]) -> None:
    if parcels:
        await connection.execute(statements.SHELVE, *_columns(parcels))


async def _cancel(connection: Any, parcels: Sequence[Parcel]) -> None:
    if parcels:
        await connection.execute(statements.CANCEL, *_columns(parcels))
        await connection.execute(statements.DUE_DONE, [parcel.delivery_id for parcel in parcels])


async def _trip(connection: Any, tripped: Sequence[Tripped]) -> list[asyncpg.Record]:
    breakers = [each.breaker for each in tripped]
    columns = ([getattr(each, name) for each in breakers] for name in ("failures", "opens", "opened_at", "open_until"))
    rows: list[asyncpg.Record] = await connection.fetch(
        statements.TRIP, [each.endpoint_id for each in tripped], *columns
    )
    return rows
