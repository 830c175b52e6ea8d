"""Locks that stop everybody, taken without anybody having to wait long for us."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import asyncpg

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[Any] | asyncpg.Connection[Any]"

T = TypeVar("T")

LOCK_MILLISECONDS = 100
"""While we wait in a lock's queue whoever comes later waits behind us: so much at most, then we step back.

Below `deadlock_timeout` too, so that no deadlock with a reader of two tables ends otherwise than by our stepping back.
"""
_LOCK = 0x77687061


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a lock is tried for, and how many seconds lie between two tries, about."""

    tries: int = 40
    pause: float = 0.5


PATIENT = Patience()


async def patiently(connection: Connection, step: Callable[[], Awaitable[T]], patience: Patience = PATIENT) -> T:
    """Do one step on the partitions in a transaction of its own, one replica at a time, stepping back from locks.

    Raises asyncpg.LockNotAvailableError when it cannot be had within half a minute or so: try again much later.
    """
    for last in range(patience.tries):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                return await step()
        except asyncpg.LockNotAvailableError:
            if last == patience.tries - 1:
                raise
        await asyncio.sleep(patience.pause * (0.5 + random.random()))  # noqa: S311 - so that replicas do not meet again
    raise AssertionError
