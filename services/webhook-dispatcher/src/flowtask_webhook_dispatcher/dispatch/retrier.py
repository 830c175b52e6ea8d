"""Sending what is due: claims rows endpoint by endpoint, as many as can be sent soon."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from flowtask_contracts.commands.webhook_deliveries import Trigger
from flowtask_kit import logs
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.ids import new_id, utc_now
from flowtask_kit.outages import is_outage

from ..deliveries.models import NEVER
from ..endpoints.directory import Directory, Receiver
from . import metrics, order_statements, statements
from .agenda import Agenda
from .guard import Guard
from .lanes import Lanes
from .pacing import Pacing
from .payload import PublicEvent
from .recorder import Recorder
from .turns import Turns
from .work import Cancelled, Parcel, Place, Released, Stage

log = logs.get(__name__)

POLL_SECONDS = 0.25
LEASE = timedelta(seconds=10)
CANCEL_BATCH = 500
LOOSE_BATCH = 5000
AGENDA = timedelta(minutes=1)
"""Times so far ahead are kept in memory."""


class Retrier:
    """Claims and sends due rows for ever. `claim` is how long a claim holds without a result.

    A full look asks which endpoints have due rows at all; between two of them only those are claimed from that had
    more rows than there was room for (`_hungry`), each time the lanes free room for them. Replays are claimed behind all else,
    as their pacing allows; `_replaying` are the endpoints that may have more of them.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        directory: Directory,
        guard: Guard,
        lanes: Lanes,
        recorder: Recorder,
        turns: Turns,
        *,
        claim: timedelta,
        pacing: Pacing,
    ) -> None:
        self._guard = guard
        self._pool = pool
        self._directory = directory
        self._lanes = lanes
        self._recorder = recorder
        self._turns = turns
        directory.tell(turns.forget)
        self._claim = claim
        self._me = new_id()
        self._agenda = Agenda()
        self._wake = asyncio.Event()
        self._look = True
        self._leases: dict[UUID, datetime] = {}
        self._hungry: set[UUID] = set()
        self._replaying: set[UUID] = set()
        self._pacing = pacing
        self._busy = asyncio.Lock()
        self._stopping = False

    def due(self, at: datetime) -> None:
        """Look at that time, which is sooner and more exact than the next poll may be; of what is far off a later look learns."""
        if at - utc_now() < AGENDA and self._agenda.add(at):
            self._wake.set()

    def wake(self) -> None:
        """Look now."""
        self._look = True
        self._wake.set()

    def freed(self, endpoint_id: UUID) -> None:
        """The lanes have room for this endpoint: claim more, if there was more than could be claimed."""
        more = (endpoint_id in self._hungry or self._turns.waits(endpoint_id)) and self._lanes.room(endpoint_id)
        if more or (endpoint_id in self._replaying and self._pacing.room(endpoint_id)):
            self._wake.set()

    def ended(self, parcel: Parcel) -> None:
        """An attempt in order is on record: send what waited for it."""
        if self._turns.ended(parcel):
            self._wake.set()

    async def stop(self) -> None:
        """Claim nothing more, from the return on."""
        self._stopping = True
        self._wake.set()
        async with self._busy:
            return

    async def give_up_leases(self) -> None:
        """Let another replica send to the managed endpoints at once."""
        if self._leases:
            async with self._pool.acquire() as connection:
                await connection.execute(statements.GIVE_UP, self._me)
            self._leases.clear()

    async def run(self) -> None:
        """Look for due rows at the times that are known, and every quarter of a second for those of other replicas."""
        loop = asyncio.get_running_loop()
        looked_at = 0.0
        while True:
            await self._recorder.healthy.wait()
            if self._stopping:
                return
            full = self._look or self._agenda.come(utc_now()) or loop.time() - looked_at >= POLL_SECONDS
            if full:
                self._look, looked_at = False, loop.time()
            try:
                async with self._busy:
                    await self._round(full=full)
            except Exception as error:
                self._look = True
                if not is_outage(error):
                    raise
                log.warning("due rows wait for the database", error=repr(error))
                await asyncio.sleep(0.5)
                continue
            if not self._look and not self._more():
                await self._pause(looked_at + POLL_SECONDS - loop.time())

    def _more(self) -> bool:
        """Whether there is room for something that is due, or may have its turn."""
        if self._room_in_order():
            return True
        if any(self._room(endpoint_id) for endpoint_id in self._hungry):
            return True
        return any(self._pacing.room(each) and self._room(each) for each in self._replaying)

    async def _pause(self, most: float) -> None:
        self._wake.clear()
        now = utc_now()
        for each in {*self._hungry, *self._turns.waiting()}:
            receiver = self._directory.get(each)
            wait = None if receiver is None else self._guard.again_in(receiver, now)
            if wait is not None:
                most = min(most, wait.total_seconds())
        try:
            async with asyncio.timeout(self._agenda.seconds(utc_now(), max(most, 0.001))):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _round(self, *, full: bool) -> None:
        """Claim what there is room for and hand it to the lanes."""
        async with self._pool.acquire() as connection:
            # Endpoints are read behind rows: one of which there is a row, and that is not known then, is gone.
            found = await connection.fetch(statements.WITH_DUE) if full else []
            await self._directory.refresh(connection)
            if full:
                owed = {row["endpoint_id"]: row["due_at"] for row in found}
                behind = {row["endpoint_id"]: since for row in found if (since := row["behind_since"]) is not None}
                metrics.OLDEST_DUE.set(_age(behind.values()))
                await self._free(connection, self._leases.keys() - behind.keys())
                await self._lease(connection, owed)
                self._hungry = self._now_due(owed)
                self._replaying = {row["endpoint_id"] for row in found if row["replays"]} & self._hungry
                await self._look_at_orders(connection, owed)
            else:
                self._hungry = {each for each in self._hungry if self._mine(each)}
                self._replaying = {each for each in self._replaying if self._mine(each)}
            await self._send_due(connection)
            now = utc_now()
            rows = await self._turns.claim(connection, self._room_in_order(), now, now + self._claim)
            self._send(await self._living(connection, rows))

    async def _send_due(self, connection: Any) -> None:
        """Claim what is due and goes in no order."""
        room = {each: slots for each in self._hungry | self._replaying if (slots := self._room(each))}
        paced = dict.fromkeys(room, 0) | self._pacing.rooms(self._replaying & room.keys())
        rows = await self._claim_rows(connection, room, paced)
        claimed = self._send(rows)
        replayed = Counter(row["endpoint_id"] for row in rows if row["trigger"] == Trigger.REPLAY)
        left = {each for each, slots in room.items() if slots > claimed[each]}
        self._hungry -= left
        self._replaying -= {each for each in left if paced[each] > replayed[each]}

    def _send(self, rows: Sequence[asyncpg.Record]) -> Counter[UUID]:
        """Hand claimed rows to the lanes; how many there were of each endpoint."""
        if rows:
            crashpoint("dispatcher.after-claim")
            metrics.CLAIMED.inc(len(rows))
        for row in rows:
            self._hand_on(row)
        return Counter(row["endpoint_id"] for row in rows)

    async def _look_at_orders(self, connection: Any, owed: Mapping[UUID, datetime]) -> None:
        """Find what may have its turn; have go what is held up by an order that was turned off, or an endpoint that is gone."""
        ordered, skipping, loose = [], [], []
        for endpoint_id, at in owed.items():
            receiver = self._directory.get(endpoint_id)
            if receiver is None or not receiver.policy.ordered:
                if receiver is None or receiver.backlog or at == NEVER:
                    loose.append(endpoint_id)
            elif self._mine(endpoint_id):
                ordered.append(endpoint_id)
                if not receiver.policy.blocks:
                    skipping.append(endpoint_id)
        if loose:
            await connection.execute(order_statements.LET_GO, loose, utc_now(), LOOSE_BATCH)
        await self._turns.look(connection, ordered)
        if skipping:
            await self._turns.unblock(connection, skipping)

    def _room_in_order(self) -> dict[UUID, int]:
        """How many rows may have their turn now, of each endpoint that has some to look at."""
        return {each: slots for each in self._turns.waiting() if self._mine(each) and (slots := self._room(each)) > 0}

    def _now_due(self, owed: Mapping[UUID, datetime]) -> set[UUID]:
        """The endpoints that this replica has to send to now; to those of the near future it looks again in time."""
        now = utc_now()
        due = set()
        for endpoint_id, at in owed.items():
            if at <= now:
                if self._mine(endpoint_id):
                    due.add(endpoint_id)
            elif (at - now).total_seconds() < POLL_SECONDS:
                self._agenda.add(at)
        return due

    def _mine(self, endpoint_id: UUID) -> bool:
        """True if this replica may send there: to a free endpoint, or to a managed one whose lease it holds."""
        receiver = self._directory.get(endpoint_id)
        if receiver is None:
            return True
        leased_until = self._leases.get(endpoint_id)
        held = leased_until is not None and leased_until > utc_now()
        return receiver.active and (held or not receiver.managed)

    async def _lease(self, connection: Any, owed: Iterable[UUID]) -> None:
        """Take or renew the leases of managed endpoints, each when half of its time is over."""
        now = utc_now()
        self._leases = {each: until for each, until in self._leases.items() if until > now}
        wanted = []
        for endpoint_id in owed:
            receiver = self._directory.get(endpoint_id)
            if receiver is not None and receiver.managed:
                leased_until = self._leases.get(endpoint_id)
                if leased_until is None or leased_until - now < LEASE / 2:
                    wanted.append(endpoint_id)
        if not wanted:
            return
        rows = await connection.fetch(statements.LEASE, wanted, self._me, now, now + LEASE)
        for endpoint_id in wanted:
            self._leases.pop(endpoint_id, None)
        for row in rows:
            self._leases[row["endpoint_id"]] = now + LEASE
            if (receiver := self._directory.get(row["endpoint_id"])) is not None:
                self._guard.rates.leased(receiver, row["epoch"])

    async def _free(self, connection: Any, done: set[UUID]) -> None:
        """Have endpoints whose backlog is gone sent to straight from the stream again; what is left of replays is none."""
        done = {each for each in done if (known := self._directory.get(each)) is None or known.backlog}
        if not done:
            return
        async with connection.transaction():
            await connection.execute(statements.HOLD, list(done))
            freed = await connection.fetch(statements.FREE, list(done), self._me)
            if freed:
                await connection.execute(statements.REVISE, [row["endpoint_id"] for row in freed])

    def _room(self, endpoint_id: UUID) -> int:
        receiver = self._directory.get(endpoint_id)
        if receiver is None:  # a few at a time: results of what is sent wait behind them to be put on record
            return CANCEL_BATCH if self._recorder.waiting < CANCEL_BATCH else 0
        return min(self._guard.room(receiver, utc_now()), self._lanes.room(endpoint_id))

    async def _claim_rows(
        self, connection: Any, room: Mapping[UUID, int], paced: Mapping[UUID, int]
    ) -> list[asyncpg.Record]:
        if not room:
            return []
        now = utc_now()
        rows: list[asyncpg.Record] = await connection.fetch(
            statements.CLAIM, list(room), list(room.values()), now, now + self._claim, [paced[each] for each in room]
        )
        return await self._living(connection, rows)

    async def _living(self, connection: Any, rows: list[asyncpg.Record]) -> list[asyncpg.Record]:
        """Without those whose events are erased, which are cancelled."""
        erased = [row["delivery_id"] for row in rows if row["erased_at"] is not None]
        if erased:  # they became due while their events were being erased
            await connection.execute(statements.CANCEL_ERASED, erased)
            rows = [row for row in rows if row["erased_at"] is None]
        return rows

    def _hand_on(self, row: asyncpg.Record) -> None:
        receiver = self._directory.get(row["endpoint_id"])
        event = PublicEvent.parse(row["payload"])
        parcel = Parcel(
            event=event,
            receiver=receiver or _gone(row["endpoint_id"], event.workspace_id),
            delivery_id=row["delivery_id"],
            stream_seq=row["stream_seq"],
            claim_no=row["claim_no"],
            claim_until=row["lease_until"],
            attempts=row["attempts"],
            trigger=Trigger(row["trigger"]),
            place=None if row["order_key"] is None else Place(row["order_key"], row["order_group"]),
        )
        if receiver is None:
            self._recorder.put(Cancelled(parcel))
        elif parcel.trigger is Trigger.REPLAY:
            wait = self._pacing.take(parcel)
            self._guard.rates.take(receiver, after=wait)
            asyncio.get_running_loop().call_later(wait, self._offer, parcel)
        else:
            self._guard.rates.take(receiver)
            self._offer(parcel)

    def _offer(self, parcel: Parcel) -> None:
        if self._stopping or not self._lanes.offer(parcel):
            parcel.stage = Stage.ENDED
            self._recorder.put(Released(parcel, utc_now()))


def _age(times: Iterable[datetime]) -> float:
    """How many seconds ago the oldest of them was."""
    now = utc_now()
    return max(0.0, (now - min(times, default=now)).total_seconds())


def _gone(endpoint_id: UUID, workspace_id: UUID) -> Receiver:
    return Receiver(endpoint_id, workspace_id, "", None, (), active=False, backlog=False, key=None)
