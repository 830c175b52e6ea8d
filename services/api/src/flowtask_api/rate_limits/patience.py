"""Waiting for somebody else, and not for oneself."""

import asyncio
from types import TracebackType
from typing import Self

_SLICES = 40


class Patience:
    """Raises TimeoutError when what is inside takes longer than `seconds` in which this loop was there to see it end.

    A loop that is busy wakes late, with the answer long in its socket. Time is therefore counted in slices, and a slice that
    ends late is one slice.
    """

    __slots__ = ("_handle", "_left", "_loop", "_slice", "_timeout")

    def __init__(self, seconds: float) -> None:
        self._slice = seconds / _SLICES
        self._left = _SLICES
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        """Begin to count."""
        await self._timeout.__aenter__()
        self._handle = self._loop.call_later(self._slice, self._pass)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Count no more."""
        self._handle.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def _pass(self) -> None:
        self._left -= 1
        if self._left:
            self._handle = self._loop.call_later(self._slice, self._pass)
        else:
            self._timeout.reschedule(self._loop.time())
