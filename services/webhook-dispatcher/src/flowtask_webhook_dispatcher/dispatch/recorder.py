"""The one writer of history in a process: gathers what has happened, commits it in batches, then acknowledges.

Nothing is acknowledged before it is on record. While the database is away entries wait here, and `healthy` is
cleared, so that nobody sends what could not be recorded.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg

from flowtask_kit import logs
from flowtask_kit.outages import is_outage

from . import metrics
from .journal import Journal
from .outcomes import Answered
from .work import AGAIN_LATER, Arrival, Attempted, Entry

log = logs.get(__name__)

BATCH = 500
GATHER_SECONDS = 0.05
"""How long an entry waits for others to share its transaction; what it records has happened already."""
GATHER_IN_ORDER_SECONDS = 0.005
"""The same where something else waits for it to be on record."""


class Recorder:
    """Takes entries from anywhere in the process and puts them on record in order; `count` hears of each attempt once."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        journal: Journal,
        settled: Callable[[Arrival], None],
        count: Callable[[Sequence[Attempted]], None],
    ) -> None:
        self._pool = pool
        self._journal = journal
        self._settled = settled
        self._count = count
        self._pending: deque[Entry | Answered] = deque()
        self._more = asyncio.Event()
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.healthy = asyncio.Event()
        self.healthy.set()

    def put(self, entry: Entry | Answered) -> None:
        """Have an entry recorded soon."""
        self._pending.append(entry)
        if entry.parcel is not None and entry.parcel.place is not None and entry.parcel.claim_no:
            self._hurry.set()
        self._idle.clear()
        self._more.set()

    @property
    def waiting(self) -> int:
        """Entries that are not on record yet."""
        return len(self._pending)

    async def drained(self) -> None:
        """Wait until everything that was put is on record."""
        await self._idle.wait()

    async def run(self) -> None:
        """Record for ever."""
        while True:
            if not self._more.is_set():
                await self._more.wait()
            if len(self._pending) < BATCH:
                await self._gather()
            self._hurry.clear()
            batch = self._take()
            if not batch:
                self._more.clear()
                self._idle.set()
                continue
            await self._record(batch)

    async def _gather(self) -> None:
        """Let others come, while nobody waits for those that are here."""
        if not self._hurry.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._hurry.wait()
        if self._hurry.is_set():
            await asyncio.sleep(GATHER_IN_ORDER_SECONDS)

    def _take(self) -> list[Entry]:
        """The next entries, each delivery at most once: an UPSERT cannot touch a row twice."""
        batch: list[Entry] = []
        pending, taken = self._pending, set()
        while pending and len(batch) < BATCH:
            parcel = pending[0].parcel
            if parcel is not None:
                if parcel.delivery_id in taken:
                    break
                taken.add(parcel.delivery_id)
            entry = pending.popleft()
            batch.append(entry.attempted() if isinstance(entry, Answered) else entry)
        self._count([entry for entry in batch if isinstance(entry, Attempted)])
        return batch

    async def _record(self, batch: list[Entry]) -> None:
        while True:
            try:
                await self._journal.write(self._pool, batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other entries must go on
                if is_outage(error):
                    self.healthy.clear()
                    log.warning("history waits for the database", entries=len(batch), error=repr(error))
                    await asyncio.sleep(0.2)
                    continue
                await self._one_by_one(batch, error)
            else:
                self._close(batch)
            self.healthy.set()
            return

    async def _one_by_one(self, batch: list[Entry], error: Exception) -> None:
        """One entry that cannot be written must not keep the others from being; its message comes back later."""
        if len(batch) > 1:
            for entry in batch:
                await self._record([entry])
            return
        metrics.UNRECORDED.inc()
        log.error("entry cannot be recorded; its message or lease comes back", exc_info=error)
        for arrival in _arrivals(batch):
            arrival.answer = AGAIN_LATER
        self._close(batch, on_record=False)

    def _close(self, batch: list[Entry], *, on_record: bool = True) -> None:
        for arrival in _arrivals(batch):
            arrival.on_record |= on_record
            arrival.open -= 1
            if arrival.open <= 0:
                self._settled(arrival)


def _arrivals(batch: list[Entry]) -> list[Arrival]:
    """The messages that these entries bring nearer to their acknowledgement; a claimed row's entry has none."""
    return [entry.arrival for entry in batch if entry.arrival is not None]
