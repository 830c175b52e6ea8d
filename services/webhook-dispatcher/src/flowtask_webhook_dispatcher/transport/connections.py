"""One connection to one checked address: it carries one exchange at a time and closes itself on anything unexpected."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

from .errors import Failure, TransportError
from .responses import ResponseReader

_WHOLE = 64 * 1024  # bytes: requests up to here go in one write, longer ones in slices under flow control


class Connection(asyncio.Protocol):
    """An open TCP or TLS connection; `exchange` sends a request and waits for the whole answer."""

    __slots__ = (
        "_deadline", "_first_byte_at", "_loop", "_lost", "_on_lost", "_on_made", "_paused", "_reader", "_sent_at", "_timer", "_timer_at", "_transport", "_unsent", "_waiter",
        "address", "expires_at", "origin",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: str,
        origin: str,
        max_body: int,
        on_made: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self.address = address
        self.origin = origin
        self.expires_at = 0.0  # loop time after which it may not be reused; the pool's
        self._loop = loop
        self._on_made = on_made
        self._on_lost = on_lost
        self._reader = ResponseReader(max_body)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[TransportError | None] | None = None
        self._unsent: memoryview | None = None
        self._paused = False
        self._lost = False
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._sent_at = self._first_byte_at = 0.0  # by time.perf_counter

    @property
    def usable(self) -> bool:
        """The connection is open, as far as this side knows."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def silent(self) -> bool:
        """Not one byte of an answer to the last request has come."""
        return self._reader.received == 0

    @property
    def first_byte_seconds(self) -> float | None:
        """From the last request to the first byte of its answer, if one came."""
        return self._first_byte_at - self._sent_at if self._reader.received else None

    @property
    def reusable(self) -> bool:
        """The last answer is whole and leaves the connection ready for another request."""
        reader = self._reader
        return reader.complete and reader.reusable and reader.fault is None and self._unsent is None and self.usable

    async def exchange(self, head: bytes, body: bytes, deadline: float) -> ResponseReader:
        """Send one request and give its answer; raises `TransportError` TIMEOUT, INVALID_ANSWER, CLOSED or LOCAL.

        `deadline` is loop time. Cancelling closes the connection. The reader is valid until the next exchange.
        """
        self._reader.begin()
        if not self.usable:  # it went, or spoke first, between two turns of the loop
            raise TransportError(Failure.CLOSED)
        waiter = self._waiter = self._loop.create_future()
        try:
            self._watch(deadline)
            self._sent_at = time.perf_counter()
            self._send(head, body)
            error = await waiter
        except BaseException:
            self._waiter = None
            self.abort()
            raise
        if error is not None:
            raise error
        return self._reader

    def abort(self) -> None:
        """Close at once, without waiting for the other side."""
        if self._transport is not None:
            self._transport.abort()

    def give_up(self, error: TransportError) -> None:
        """End the exchange under way from outside: with the answer if its head has come, else with this error."""
        if self._waiter is not None:
            self._reader.truncated = True
            self._finish(None if self._reader.head_done else error)
        self.abort()

    def discard(self) -> None:
        """Drop a connection whose opening failed: uvloop closes it without a word, so it is told here that it is gone."""
        self.abort()
        self.connection_lost(None)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP, and TLS if any, is set up."""
        self._transport = cast("asyncio.Transport", transport)
        if self._lost:
            self._transport.abort()
        else:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer; on an idle connection nobody asked for them, so it closes."""
        if self._waiter is None:
            self.abort()
            return
        if not self._reader.received:
            self._first_byte_at = time.perf_counter()
        if self._reader.feed(data):
            fault = self._reader.fault
            self._finish(None if fault is None else TransportError(Failure.INVALID_ANSWER, fault))

    def eof_received(self) -> None:
        """The receiver will send nothing more, so an answer can only end here."""
        self._end()
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  how it broke changes nothing
        """The connection is gone."""
        if self._lost:
            return
        self._lost = True
        self._end()
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._reader.close()
        self._on_lost(self)

    def pause_writing(self) -> None:
        """The receiver reads slower than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """There is room for more of the request."""
        self._paused = False
        self._send_rest()

    def _send(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        if len(body) <= _WHOLE:
            self._transport.write(head + body)
            return
        self._transport.write(head)
        self._unsent = memoryview(body)
        self._send_rest()

    def _send_rest(self) -> None:
        while self._unsent is not None and not self._paused and self._transport is not None:
            piece, rest = self._unsent[:_WHOLE], self._unsent[_WHOLE:]
            self._unsent = rest if rest.nbytes else None
            self._transport.write(piece)

    def _finish(self, error: TransportError | None) -> None:
        """Hand over the outcome; only a connection that is clean afterwards stays open."""
        waiter, self._waiter = self._waiter, None
        if not self.reusable:
            self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_result(error)

    def _end(self) -> None:
        if self._waiter is None:
            return
        if self._reader.end():
            self._finish(None)
        else:
            self._finish(TransportError(Failure.CLOSED))

    # One timer serves many exchanges: it is set anew only when it fires, or when a deadline comes before it.

    def _watch(self, deadline: float) -> None:
        self._deadline = deadline
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._deadline:
            self._watch(self._deadline)
        else:
            self.give_up(TransportError(Failure.TIMEOUT))
