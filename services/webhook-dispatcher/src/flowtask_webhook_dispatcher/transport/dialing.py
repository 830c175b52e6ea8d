"""A connection to a checked address: one lookup, every address judged, then TCP to that very literal, then TLS."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest

from .addresses import AddressPolicy
from .connections import Connection
from .errors import Failure, TransportError
from .resolving import Resolve
from .urls import Target

MAX_ADDRESSES_TRIED = 4

# Errors of our own process or host: the receiver has no part in them.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EAGAIN})

MakeConnection = Callable[[str, str], Connection]
"""Takes the address and the origin, gives a connection that is not open yet."""


def verifying_context() -> ssl.SSLContext:
    """TLS 1.2 or newer against the system's certificate authorities, host names checked, no renegotiation."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dialer:
    """Opens connections to targets, and only to addresses that the policy allows."""

    def __init__(self, policy: AddressPolicy, resolve: Resolve, tls: ssl.SSLContext, make: MakeConnection) -> None:
        if tls.verify_mode != ssl.CERT_REQUIRED or not tls.check_hostname:
            raise ValueError("the TLS context must verify certificates and host names")
        if tls.minimum_version < ssl.TLSVersion.TLSv1_2:
            raise ValueError("the TLS context must refuse TLS below 1.2")
        self._policy = policy
        self._resolve = resolve
        self._tls = tls
        self._make = make
        self._limits: set[asyncio.Timeout] = set()

    async def dial(self, target: Target, deadline: float) -> Connection:
        """An open connection by `deadline` (loop time); raises `TransportError` DNS, BLOCKED, CONNECT, TLS, TIMEOUT, LOCAL."""
        doing = "resolve the host name"
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit:
                self._limits.add(limit)
                addresses = await self._addresses(target)
                doing = "connect"
                sock, address = await _connect_first(addresses, target.port, deadline)
                doing = "set up TLS" if target.scheme == "https" else doing
                return await self._open(target, sock, address)
        except TimeoutError:
            raise TransportError(Failure.TIMEOUT, f"could not {doing} before the deadline") from None
        finally:
            self._limits.discard(limit)

    def hurry(self) -> None:
        """Put the deadline of everything under way to now."""
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0.0)

    async def _addresses(self, target: Target) -> Sequence[str]:
        """Every address of the target, all of them allowed."""
        if target.address is not None:
            if reason := self._policy.refusal(target.address):
                raise TransportError(Failure.BLOCKED, f"the address {target.host} is not allowed: {reason}")
            return [target.host]
        try:
            addresses = list(dict.fromkeys(await self._resolve(target.host, target.port)))
        except socket.gaierror as error:
            raise TransportError(Failure.DNS, _lookup_failure(error)) from None
        except (OSError, UnicodeError):
            raise TransportError(Failure.DNS, "the host name could not be resolved") from None
        if not addresses:
            raise TransportError(Failure.DNS, "the host name has no address")
        if any(self._policy.refusal(address) for address in addresses):
            raise TransportError(Failure.BLOCKED, "the host name resolves to an address that is not allowed")
        return addresses

    async def _open(self, target: Target, sock: socket.socket, address: str) -> Connection:
        """Make the socket a connection, with TLS for https; the socket is closed if that fails."""
        connection = self._make(address, target.origin)
        tls = self._tls if target.scheme == "https" else None
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection, sock=sock, ssl=tls, server_hostname=target.host if tls else None
            )
        except BaseException as error:
            connection.discard()
            # uvloop says RuntimeError if the connection went while it was being set up.
            if isinstance(error, OSError | RuntimeError) and not isinstance(error, TimeoutError):
                raise TransportError(Failure.TLS if tls else Failure.CONNECT, _setup_failure(error)) from None
            raise
        return connection


def _setup_failure(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"the TLS handshake failed: {(error.reason or 'unknown reason').replace('_', ' ').lower()}"
    return "the connection was closed while it was being set up"


def _lookup_failure(error: socket.gaierror) -> str:
    unknown = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
    return "the host name does not exist" if error.errno in unknown else "the host name could not be resolved"


def _tried(addresses: Sequence[str]) -> list[str]:
    """The first few, families in turn (RFC 8305, section 4), so that a dead IPv6 route does not hide IPv4."""
    first_is_v6 = ":" in addresses[0]
    first = [a for a in addresses if (":" in a) == first_is_v6]
    second = [a for a in addresses if (":" in a) != first_is_v6]
    in_turn = chain.from_iterable(zip_longest(first, second))
    return [a for a in in_turn if a is not None][:MAX_ADDRESSES_TRIED]


async def _connect_first(addresses: Sequence[str], port: int, deadline: float) -> tuple[socket.socket, str]:
    """The first address that takes a TCP connection; each gets an equal share of the time that is left."""
    loop = asyncio.get_running_loop()
    tried = _tried(addresses)
    errors: list[OSError] = []
    for left, address in zip(range(len(tried), 0, -1), tried, strict=True):
        share = (deadline - loop.time()) / left if left > 1 else None  # the last one has what is left anyway
        try:
            async with asyncio.timeout(share):
                return await _connect(loop, address, port), address
        except OSError as error:
            errors.append(error)
    number = errors[-1].errno
    reason = os.strerror(number).lower() if number else "no answer"
    if all(error.errno in _OURS for error in errors):
        raise TransportError(Failure.LOCAL, f"the sender could not open a connection: {reason}")
    raise TransportError(Failure.CONNECT, f"could not connect: {reason}")


async def _connect(loop: asyncio.AbstractEventLoop, address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock
