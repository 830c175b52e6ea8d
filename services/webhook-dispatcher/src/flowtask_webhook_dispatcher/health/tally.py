"""Counting attempts in memory, and adding them to the counts of all replicas now and then.

A process that is killed loses the counts of its last seconds; deliveries and their attempts are on record all the same.
"""

import asyncio
from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from flowtask_kit import logs
from flowtask_kit.outages import is_outage

from .models import BOUNDS_MS, SLOT
from .queries import COUNT

log = logs.get(__name__)

EVERY_SECONDS = 5.0
_SLOT_SECONDS = int(SLOT.total_seconds())
_LAST = len(BOUNDS_MS) - 1

Key = tuple[UUID, int, bool, int]
"""Endpoint, number of the five minutes, whether it was delivered, bucket."""


class Tally:
    """Counts of attempts that are not in the database yet."""

    def __init__(self) -> None:
        self._counts: Counter[Key] = Counter()

    def note(self, endpoint_id: UUID, at: datetime, milliseconds: float, *, delivered: bool) -> None:
        """An attempt was made."""
        bucket = min(bisect_left(BOUNDS_MS, milliseconds), _LAST)
        self._counts[endpoint_id, int(at.timestamp()) // _SLOT_SECONDS, delivered, bucket] += 1

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
                endpoints, slots, delivered, buckets = map(list, zip(*keys, strict=True))
                begins = [datetime.fromtimestamp(slot * _SLOT_SECONDS, UTC) for slot in slots]
                numbers = [taken[key] for key in keys]
                await connection.execute(COUNT, endpoints, begins, delivered, buckets, numbers)
        except Exception as error:
            self._counts.update(taken)
            if not is_outage(error):
                raise
            log.warning("counts of attempts wait for the database", error=repr(error))
