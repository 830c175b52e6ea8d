"""TCP to one of several addresses, and whose fault it is when none takes the connection."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Protocol

from .deadlines import Deadlines
from .errors import Failure, TransportError

MAX_ADDRESSES_TRIED = 4

# Errors of our own process or host: the receiver has no part in them.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EAGAIN})
_UNREACHABLE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES, errno.EPERM}
)


class Route(Protocol):
    """A way to an address: straight, or through a proxy."""

    async def connect(self, address: str, port: int, until: float) -> socket.socket:
        """A connected socket by `until` (loop time); raises `TransportError`."""
        ...


class Straight:
    """TCP from here to the receiver."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines

    async def connect(self, address: str, port: int, until: float) -> socket.socket:
        """A connected socket by `until` (loop time); raises `TransportError` CONNECT_* or LOCAL."""
        async with self._deadlines.until(until, lambda: TransportError(Failure.CONNECT_TIMEOUT)):
            try:
                return await tcp(address, port)
            except OSError as error:
                raise TransportError(failure_of(error)) from None


async def connect_first(
    route: Route, addresses: Sequence[str], port: int, deadline: float
) -> tuple[socket.socket, str]:
    """The first address that takes the connection; each gets an equal share of the time that is left."""
    loop = asyncio.get_running_loop()
    tried = _in_turn(addresses)
    last: TransportError | None = None
    for left, address in zip(range(len(tried), 0, -1), tried, strict=True):
        now = loop.time()
        try:
            return await route.connect(address, port, now + (deadline - now) / left), address
        except TransportError as error:
            if error.kind is Failure.PROXY:
                raise  # the next address would go through the same proxy
            if last is None or not error.kind.ours:
                last = error
    assert last is not None
    raise last


async def tcp(address: str, port: int) -> socket.socket:
    """A socket connected to this literal; raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def failure_of(error: OSError) -> Failure:
    """What a refusal by the operating system means."""
    if error.errno in _OURS:
        return Failure.LOCAL
    if error.errno in _UNREACHABLE:
        return Failure.CONNECT_UNREACHABLE
    if error.errno == errno.ECONNREFUSED:
        return Failure.CONNECT_REFUSED
    return Failure.CONNECT_TIMEOUT if error.errno == errno.ETIMEDOUT else Failure.CONNECT_FAILED


def _in_turn(addresses: Sequence[str]) -> list[str]:
    """The first few, families in turn (RFC 8305, section 4), so that a dead IPv6 route does not hide IPv4."""
    first_is_v6 = ":" in addresses[0]
    first = [a for a in addresses if (":" in a) == first_is_v6]
    second = [a for a in addresses if (":" in a) != first_is_v6]
    in_turn = chain.from_iterable(zip_longest(first, second))
    return [a for a in in_turn if a is not None][:MAX_ADDRESSES_TRIED]
