"""Sending what is due: claims rows endpoint by endpoint, as many as can be sent at once."""

import asyncio
import heapq
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from flowtask_contracts.commands.webhooks import Trigger
from flowtask_kit import logs
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.ids import new_id, utc_now
from flowtask_kit.outages import is_outage

from ..endpoints.directory import Directory, Receiver
from . import metrics, statements
from .lanes import Lanes
from .payload import PublicEvent
from .recorder import Recorder
from .work import Cancelled, Parcel, Released

log = logs.get(__name__)

POLL_SECONDS = 0.25
LEASE = timedelta(seconds=10)
CANCEL_BATCH = 500


class Retrier:
    """Claims and sends due rows for ever. `claim` is how long a claim holds without a result."""

    def __init__(
        self, pool: "asyncpg.Pool[Any]", directory: Directory, lanes: Lanes, recorder: Recorder, *, claim: timedelta
    ) -> None:
        self._pool = pool
        self._directory = directory
        self._lanes = lanes
        self._recorder = recorder
        self._claim = claim
        self._me = new_id()
        self._times: list[datetime] = []
        self._wake = asyncio.Event()
        self._leased: set[UUID] = set()
        self._stopping = False

    def due(self, at: datetime) -> None:
        """Look at that time, which is sooner and more exact than the next poll may be."""
        heapq.heappush(self._times, at)
        if self._times[0] is at:
            self._wake.set()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping = True

    async def run(self) -> None:
        """Look for due rows at the times that are known, and every quarter of a second for those of other replicas."""
        while not self._stopping:
            try:
                claimed = await self._round()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("due rows wait for the database", error=repr(error))
                await asyncio.sleep(0.5)
                continue
            if not claimed:
                await self._pause()

    async def _pause(self) -> None:
        now = utc_now()
        while self._times and self._times[0] <= now:
            heapq.heappop(self._times)
        wait = POLL_SECONDS
        if self._times:
            wait = min(wait, (self._times[0] - now).total_seconds() + 0.001)
        self._wake.clear()
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _round(self) -> int:
        """Claim what there is room for and hand it to the lanes; returns how many rows that were."""
        await self._recorder.healthy.wait()
        async with self._pool.acquire() as connection:
            await self._directory.refresh(connection)
            owed = [row["endpoint_id"] for row in await connection.fetch(statements.WITH_DUE)]
            await self._free(connection, self._leased.difference(owed))
            if not owed:
                return 0
            mine = await self._mine(connection, owed)
            room = {endpoint_id: self._room(endpoint_id) for endpoint_id in mine}
            rows = await self._claim_rows(connection, statements.CLAIM_FIRST, room)
            for row in rows:
                room[row["endpoint_id"]] -= 1
            rows += await self._claim_rows(connection, statements.CLAIM_RETRY, room)
        if rows:
            crashpoint("dispatcher.after-claim")
            metrics.CLAIMED.inc(len(rows))
        for row in rows:
            self._hand_on(row)
        return len(rows)

    async def _mine(self, connection: Any, owed: list[UUID]) -> list[UUID]:
        """The endpoints this replica may send to: all free ones, and the managed ones whose lease it holds."""
        receivers = {endpoint_id: self._directory.get(endpoint_id) for endpoint_id in owed}
        managed = [each for each, receiver in receivers.items() if receiver is not None and receiver.managed]
        self._leased = set()
        if managed:
            now = utc_now()
            rows = await connection.fetch(statements.LEASE, managed, self._me, now, now + LEASE)
            self._leased = {row["endpoint_id"] for row in rows}
        return [
            each
            for each, receiver in receivers.items()
            if receiver is None or (receiver.active and (not receiver.managed or each in self._leased))
        ]

    async def _free(self, connection: Any, done: set[UUID]) -> None:
        """End the management of endpoints whose backlog is gone: their events go straight from the stream again."""
        if not done:
            return
        async with connection.transaction():
            revision = await connection.fetchval(statements.REVISION)
            await connection.execute(statements.FREE, list(done), revision, self._me)

    def _room(self, endpoint_id: UUID) -> int:
        if self._directory.get(endpoint_id) is None:
            return CANCEL_BATCH
        return self._lanes.room(endpoint_id)

    async def _claim_rows(self, connection: Any, statement: str, room: dict[UUID, int]) -> list[asyncpg.Record]:
        wanted = {endpoint_id: slots for endpoint_id, slots in room.items() if slots > 0}
        if not wanted:
            return []
        now = utc_now()
        rows: list[asyncpg.Record] = await connection.fetch(
            statement, list(wanted), list(wanted.values()), now, now + self._claim
        )
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
            attempts=row["attempts"],
            trigger=Trigger(row["trigger"]),
        )
        if receiver is None:
            self._recorder.put(Cancelled(parcel))
        elif self._stopping or not self._lanes.offer(parcel):
            self._recorder.put(Released(parcel, utc_now()))


def _gone(endpoint_id: UUID, workspace_id: UUID) -> Receiver:
    return Receiver(endpoint_id, workspace_id, None, (), active=False, managed=False, key=None)
