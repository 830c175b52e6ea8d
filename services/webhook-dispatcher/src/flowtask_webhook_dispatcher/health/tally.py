"""Counting attempts in memory, and adding them to the counts of all replicas now and then.

A process that is killed loses the counts of its last seconds; deliveries and their attempts are on record all the same.
"""

import asyncio
from bisect import bisect_left
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from flowtask_kit import logs
from flowtask_kit.outages import is_outage

from .models import BOUNDS_MS, SLOT
from .queries import COUNT

log = logs.get(__name__)

EVERY_SECONDS = 5.0
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_LAST = len(BOUNDS_MS) - 1

Key = tuple[UUID, datetime, bool, int]


class Tally:
    """Counts of attempts that are not in the database yet."""

    def __init__(self) -> None:
        self._counts: Counter[Key] = Counter()

    def note(self, endpoint_id: UUID, at: datetime, milliseconds: float, *, delivered: bool) -> None:
        """An attempt was made."""
        bucket = min(bisect_left(BOUNDS_MS, milliseconds), _LAST)
        self._counts[endpoint_id, slot_of(at), delivered, bucket] += 1

    async def run(self, pool: "asyncpg.Pool[Any]") -> None:
        """Write for ever."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.flush(pool)

    async def flush(self, pool: "asyncpg.Pool[Any]") -> None:
        """Write what was counted; while the database is away it waits here, one number for each key."""
        if not self._counts:
            return
        taken, self._counts = self._counts, Counter()
        keys = sorted(taken)
        try:
            async with pool.acquire() as connection:
                columns = zip(*keys, strict=True)
                await connection.execute(COUNT, *map(list, columns), [taken[key] for key in keys])
        except Exception as error:
            self._counts.update(taken)
            if not is_outage(error):
                raise
            log.warning("counts of attempts wait for the database", error=repr(error))


def slot_of(moment: datetime) -> datetime:
    """The beginning of the five minutes that a moment lies in."""
    return moment - timedelta(seconds=(moment - _EPOCH).total_seconds() % SLOT.total_seconds())
