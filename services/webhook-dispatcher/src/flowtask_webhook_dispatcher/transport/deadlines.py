"""Deadlines that say what was late, and that can all be put to now."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from .errors import TransportError


class Deadlines:
    """The deadlines of everything under way."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def until(self, when: float, late: Callable[[], TransportError]) -> AsyncIterator[None]:
        """Let the block run until `when` (loop time); raises what `late` gives if that was not enough."""
        limit = asyncio.timeout_at(when)
        try:
            async with limit:
                self._limits.add(limit)
                yield
        except TimeoutError:
            raise late() from None
        finally:
            self._limits.discard(limit)

    def hurry(self) -> None:
        """Put all of them to now."""
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0.0)
