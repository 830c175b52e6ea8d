"""`HookClient.post`: one signed request, one answer or one `TransportError`, under one deadline."""

import asyncio
import re
import ssl
import time
from collections.abc import Iterable
from functools import lru_cache

from .admission import Admission
from .connections import Connection
from .dialing import Dialer, verifying_context
from .errors import Failure, TransportError
from .pool import Pool
from .proxying import ProxyAddress
from .responses import Answer, ResponseReader
from .timings import Phases, Timings
from .urls import Target

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
# What frames the message, and what belongs to the connection: the client's alone.
_FRAMING = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade", b"te", b"trailer"}
)
_KEEP_ALIVE_MARGIN = 1  # seconds earlier than the receiver says: it may close while our request is on its way


class HookClient:
    """Posts to receivers nobody trusts: admitted addresses only, no redirects, capped answers, one deadline per attempt.

    `max_body` is bytes of an answer kept; an idle connection lives `idle_seconds` at most (less if the receiver says so).
    `tls` must verify; with `proxy` every connection goes through it. Use it inside one event loop, and `aclose` it there,
    which closes `admission` too.
    """

    def __init__(
        self,
        admission: Admission,
        *,
        max_body: int = 16 * 1024,
        idle_seconds: float = 30.0,
        max_idle_per_origin: int = 64,
        max_idle: int = 1024,
        tls: ssl.SSLContext | None = None,
        proxy: ProxyAddress | None = None,
    ) -> None:
        self._admission = admission
        self._max_body = max_body
        self._idle_seconds = idle_seconds
        self._pool = Pool(max_idle, max_idle_per_origin)
        self._open: set[Connection] = set()
        self._dialing = 0
        self._changed: asyncio.Future[None] | None = None  # set when a connection or a dial ends while `aclose` waits
        self._dialer = Dialer(admission, tls or verifying_context(), proxy, self._make)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def post(
        self,
        target: Target,
        headers: Iterable[tuple[bytes, bytes]],
        body: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  a task-cancelling timeout would lose an answer whose head has come
        fresh: bool = False,
    ) -> Answer:
        """Send one POST; any status is an answer, everything else a `TransportError`, both within `timeout` seconds.

        `headers` come without Host, Content-Length and Connection, which are ours; raises ValueError for those and for
        line breaks. A connection that was idle and dies before a byte of the answer is replaced once; a
        `fresh` post takes none of these. Cancelling closes the connection in use.
        """
        loop = self._loop
        if loop is None:  # kept: asking for it is a system call
            loop = self._loop = asyncio.get_running_loop()
        begun, started = time.perf_counter(), loop.time()
        deadline = started + timeout
        head = _head(target, headers, len(body))
        if self._closed:
            raise _closed()
        connection = None if fresh else self._pool.take(target.origin, started)
        phases: Phases | None = None
        try:
            answer = None if connection is None else await _on_idle(connection, head, body, deadline)
            if connection is None or answer is None:
                connection, phases = None, Phases()
                connection = await self._dial(target, deadline, phases)
                answer = await connection.exchange(head, body, deadline)
        except TransportError as error:
            error.timings = _timings(phases, connection, begun)
            raise
        if connection.reusable:
            self._keep(connection, answer, loop.time())
        headers_text = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers]
        timings = _timings(phases, connection, begun)
        return Answer(answer.status, headers_text, answer.body, answer.truncated, connection.address, timings)

    async def aclose(self) -> None:
        """Close every connection and wait until all are gone; posts under way end with `TransportError` LOCAL."""
        self._closed = True
        self._pool.close()
        self._dialer.hurry()
        for connection in list(self._open):
            connection.give_up(_closed())
        self._admission.close()
        while self._open or self._dialing:
            if self._changed is None:
                self._changed = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._changed)

    @property
    def open_connections(self) -> int:
        """How many connections exist now, idle ones included."""
        return len(self._open)

    async def _dial(self, target: Target, deadline: float, phases: Phases) -> Connection:
        self._dialing += 1
        try:
            connection = await self._dialer.dial(target, deadline, phases)
        except TransportError:
            if self._closed:
                raise _closed() from None
            raise
        finally:
            self._dialing -= 1
            self._wake_closer()
        if self._closed:
            connection.abort()
            raise _closed()
        return connection

    def _keep(self, connection: Connection, answer: ResponseReader, now: float) -> None:
        seconds = self._idle_seconds
        promised = answer.keep_alive_seconds()
        if promised is not None:
            seconds = min(seconds, promised - _KEEP_ALIVE_MARGIN)
        if self._closed or seconds <= 0:
            connection.abort()
        else:
            self._pool.put(connection, now + seconds)

    def _make(self, address: str, origin: str) -> Connection:
        loop = asyncio.get_running_loop()
        return Connection(loop, address, origin, self._max_body, on_made=self._open.add, on_lost=self._lost)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._pool.forget(connection)
        self._wake_closer()

    def _wake_closer(self) -> None:
        if self._changed is not None:
            changed, self._changed = self._changed, None
            changed.set_result(None)


async def _on_idle(connection: Connection, head: bytes, body: bytes, deadline: float) -> ResponseReader | None:
    """Exchange on a connection that was idle; None if the receiver had hung up, so that no byte of an answer came."""
    try:
        return await connection.exchange(head, body, deadline)
    except TransportError as error:
        if error.kind is Failure.CLOSED and connection.silent:
            return None
        raise


def _timings(phases: Phases | None, connection: Connection | None, begun: float) -> Timings:
    first_byte = None if connection is None else connection.first_byte_seconds
    if phases is None:
        return Timings(None, None, None, first_byte, time.perf_counter() - begun)
    return Timings(phases.dns, phases.connect, phases.tls, first_byte, time.perf_counter() - begun)


def _closed() -> TransportError:
    return TransportError(Failure.LOCAL, "The sender is shutting down.")


def _head(target: Target, headers: Iterable[tuple[bytes, bytes]], length: int) -> bytes:
    """The request up to its body; raises ValueError for a header that would change what the request means."""
    parts = [target.request_start]
    lines = 4  # request line, Host, Content-Length, and the empty one
    for name, value in headers:
        parts += (_checked_name(name), value, b"\r\n")
        lines += 1
    parts.append(b"Content-Length: %d\r\n\r\n" % length)
    head = b"".join(parts)
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
        raise ValueError("a header value must not contain a line break or NUL")
    return head


@lru_cache(maxsize=1024)
def _checked_name(name: bytes) -> bytes:
    if not _TOKEN.fullmatch(name) or name.lower() in _FRAMING:
        raise ValueError(f"{name!r} cannot be set as a header")
    return name + b": "
