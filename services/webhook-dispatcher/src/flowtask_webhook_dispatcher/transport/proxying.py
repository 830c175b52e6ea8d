"""The egress proxy: a tunnel (CONNECT, RFC 9110, section 9.3.6) to an address that was checked here.

The proxy is ours: what it does wrong counts against no receiver. It is given the checked address and never a name, so it
has nothing to resolve, and the TLS inside the tunnel is the receiver's.
"""

import asyncio
import re
import socket
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from .connecting import failure_of, tcp
from .deadlines import Deadlines
from .errors import Failure, InvalidProxy, InvalidUrl, TransportError
from .resolving import Resolve
from .urls import Target, parse_url

MAX_REPLY = 16 * 1024  # bytes of the proxy's status line and headers
_READ = 4096
_REMEMBERED = 4096

_URL = re.compile(
    r"http://(?:(?P<user>[^:/?#@\s]*)(?::(?P<password>[^/?#@\s]*))?@)?(?P<address>[^/?#@\s]+)/?", re.ASCII
)
_PORT = re.compile(r":[0-9]+")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (?P<status>[2-9][0-9]{2})(?: [^\r\n]*)?")
_BEGINS = b"HTTP/1."
_GARBAGE = "The egress proxy's answer is not valid HTTP/1.1, or too long."
_OPENED = range(200, 300)
_ASKS_FOR_CREDENTIALS = 407
_NO_WAY_ON = frozenset({502, 504})
_TOO_LATE = 504
# How Squid, and RFC 9209, say with other statuses that it was the other side.
_NAMES_THE_RECEIVER = re.compile(
    rb"\r\n(?:x-squid-error:[ \t]*err_connect_fail|proxy-status:[^\r\n]*error=(?:connection_refused|connection_timeout"
    rb"|connection_terminated|destination_unavailable|destination_ip_unroutable))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """Where the egress proxy is, and what it is told about who we are."""

    target: Target
    authorization: bytes | None = field(repr=False)  # the value of Proxy-Authorization


def parse_proxy(url: str) -> ProxyAddress:
    """The proxy that `http://[user:password@]host:port` names; raises `InvalidProxy`."""
    parts = _URL.fullmatch(url)
    if parts is None or not _PORT.search(parts["address"]):
        raise InvalidProxy("must look like http://host:port or http://user:password@host:port")
    try:
        target = parse_url(f"http://{parts['address']}", allow_http=True)
    except InvalidUrl:
        raise InvalidProxy("must name a host and a port between 1 and 65535") from None
    if parts["user"] is None:
        return ProxyAddress(target, None)
    credentials = unquote_to_bytes(parts["user"]) + b":" + unquote_to_bytes(parts["password"] or "")
    return ProxyAddress(target, b"Basic " + b64encode(credentials))


class ProxyReply:
    """Reads the proxy's answer to CONNECT: feed it until it says true, then `fault`, or `status` and the rest, are set."""

    __slots__ = ("_head", "fault", "names_the_receiver", "spoke_on", "status")

    def __init__(self) -> None:
        self.status = 0
        self.fault: str | None = None
        self.names_the_receiver = False  # it says that the receiver took no connection
        self.spoke_on = False  # bytes of the tunnel followed at once
        self._head = bytearray()

    @property
    def silent(self) -> bool:
        """Nothing has come."""
        return not self._head

    def feed(self, data: bytes) -> bool:
        """Take the next bytes, none at the end of the stream; true once there is nothing more to read."""
        if not data:
            self.fault = "The egress proxy closed the connection without an answer."
            return True
        before = max(0, len(self._head) - 3)
        room = MAX_REPLY - len(self._head)
        self._head += data[:room]
        end = self._head.find(b"\r\n\r\n", before)
        if end >= 0:
            self.spoke_on = len(data) > room or end + 4 < len(self._head)
            self._read(bytes(self._head[:end]))
            return True
        if len(data) > room or self._head[: len(_BEGINS)] != _BEGINS[: len(self._head)]:
            self.fault = _GARBAGE
        return self.fault is not None

    def _read(self, head: bytes) -> None:
        line = _STATUS_LINE.fullmatch(head.partition(b"\r\n")[0])
        if line is None:
            self.fault = _GARBAGE
            return
        self.status = int(line["status"])
        self.names_the_receiver = self.status in _NO_WAY_ON or bool(_NAMES_THE_RECEIVER.search(head))


class Tunnels:
    """The way through the proxy: TCP to it, and its CONNECT to the address asked for.

    A proxy that cannot be reached, asks for other credentials, or answers nonsense has failed us. One that refuses an
    address, or says nothing about it, may mean the receiver: it is counted against that one only if the proxy has opened
    a tunnel to somebody else since its first refusal, or if the answer itself says so.
    """

    def __init__(self, proxy: ProxyAddress, resolve: Resolve, deadlines: Deadlines) -> None:
        self._proxy = proxy
        self._resolve = resolve
        self._deadlines = deadlines
        self._opened_at = -1.0  # loop time
        self._refused_at: dict[bytes, float] = {}

    async def connect(self, address: str, port: int, until: float) -> socket.socket:
        """A socket whose other end is the receiver, by `until` (loop time); raises `TransportError`."""
        where = b"%b:%d" % ((f"[{address}]" if ":" in address else address).encode(), port)
        async with self._deadlines.until(until, lambda: _failed("The egress proxy could not be reached in time.")):
            sock = await self._reach()
        try:
            await self._open(sock, where, until)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _reach(self) -> socket.socket:
        """TCP to the proxy, whose own address nobody judges."""
        target = self._proxy.target
        found: Sequence[str] = [target.host]
        try:
            if target.address is None:
                found = await self._resolve(target.host, target.port)
        except (OSError, UnicodeError):
            raise _failed("The egress proxy's name could not be resolved.") from None
        kind = Failure.PROXY
        for address in found:
            try:
                return await tcp(address, target.port)
            except OSError as error:
                kind = failure_of(error)
        raise TransportError(Failure.LOCAL) if kind is Failure.LOCAL else _failed("The egress proxy cannot be reached.")

    async def _open(self, sock: socket.socket, where: bytes, until: float) -> None:
        loop = asyncio.get_running_loop()
        reply, asked_at = ProxyReply(), loop.time()

        def late() -> TransportError:
            if reply.silent:
                return self._refused(where, asked_at, TransportError(Failure.CONNECT_TIMEOUT))
            return _failed("The egress proxy's answer did not end in time.")

        async with self._deadlines.until(until, late):
            try:
                await loop.sock_sendall(sock, self._request(where))
                while not reply.feed(await loop.sock_recv(sock, _READ)):
                    pass
            except OSError:
                raise _failed("The connection to the egress proxy broke.") from None
        self._judge(reply, where, asked_at)

    def _request(self, where: bytes) -> bytes:
        authorization = self._proxy.authorization
        credentials = b"" if authorization is None else b"Proxy-Authorization: %b\r\n" % authorization
        return b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (where, where, credentials)

    def _judge(self, reply: ProxyReply, where: bytes, asked_at: float) -> None:
        if reply.fault is not None:
            raise _failed(reply.fault)
        if reply.status in _OPENED:
            self._opened_at = asyncio.get_running_loop().time()
            self._refused_at.pop(where, None)
            if reply.spoke_on:
                raise TransportError(Failure.INVALID_ANSWER, "The receiver spoke before it was asked.")
        elif reply.status == _ASKS_FOR_CREDENTIALS:
            raise _failed("The egress proxy asks for other credentials.")
        else:
            kind = Failure.CONNECT_TIMEOUT if reply.status == _TOO_LATE else Failure.CONNECT_UNREACHABLE
            theirs = TransportError(kind, None if reply.status == _TOO_LATE else "The receiver cannot be reached.")
            raise theirs if reply.names_the_receiver else self._refused(where, asked_at, theirs, reply.status)

    def _refused(
        self, where: bytes, asked_at: float, theirs: TransportError, status: int | None = None
    ) -> TransportError:
        """The failure that a refusal is: the receiver's if somebody else was let through since the first one, else ours."""
        if len(self._refused_at) >= _REMEMBERED:
            self._refused_at.clear()
        if self._opened_at > self._refused_at.setdefault(where, asked_at):
            return theirs
        return _failed(f"The egress proxy {'did not answer in time' if status is None else f'answered {status}'}.")


def _failed(message: str) -> TransportError:
    return TransportError(Failure.PROXY, message)
