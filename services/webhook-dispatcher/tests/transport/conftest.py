"""Real receivers on loopback: each test says how its receiver behaves, connection by connection."""

import asyncio
import resource
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest
import uvloop

from flowtask_webhook_dispatcher.transport import AddressPolicy, HookClient, Target, parse_url
from flowtask_webhook_dispatcher.transport.dialing import verifying_context

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def pytest_asyncio_loop_factories():
    """Every async test of this folder runs on both event loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Peer:
    """The receiver's end of one connection."""

    def __init__(self, reader, writer, receiver):
        self._reader, self._writer, self._receiver = reader, writer, receiver

    async def request(self):
        """The next request, head and body, as it came."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        self._receiver.requests.append(head + body)
        return head + body

    async def head(self):
        """The next request's head, its body left unread."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def send(self, data):
        self._writer.write(data)
        await self._writer.drain()

    async def gone(self):
        """The client has closed the connection, or sent something more."""
        try:
            return await self._reader.read(1) == b""
        except ConnectionError:
            return True

    def end(self):
        """Say that nothing more will be sent, and keep reading."""
        self._writer.write_eof()

    def close(self):
        self._writer.close()

    def reset(self):
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


@dataclass
class Receiver:
    """A server that counts what reaches it."""

    behave: Callable[[Peer], Awaitable[None]] | bytes
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    port: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    errors: list[BaseException] = field(default_factory=list)
    tasks: set = field(default_factory=set)

    async def accept(self, reader, writer):
        self.connections += 1
        task = asyncio.current_task()
        self.tasks.add(task)
        peer = Peer(reader, writer, self)
        try:
            if isinstance(self.behave, bytes):
                while True:
                    await peer.request()
                    await peer.send(self.behave)
            else:
                await self.behave(peer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        except BaseException as error:  # noqa: BLE001  shown by the fixture
            self.errors.append(error)
        finally:
            writer.close()
            self.tasks.discard(task)
            self.closed.set()

    def url(self, path="/", host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"

    def target(self, path="/", host="127.0.0.1", scheme="http") -> Target:
        return parse_url(self.url(path, host, scheme), allow_http=True)


@pytest.fixture
async def receive() -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    """Start a receiver that behaves so: an async function per connection, or the bytes of every answer."""
    started: list[tuple[Receiver, asyncio.Server]] = []

    async def start(
        behave: Callable[[Peer], Awaitable[None]] | bytes, tls: ssl.SSLContext | None = None, port: int = 0
    ):
        receiver = Receiver(behave)
        server = await asyncio.start_server(receiver.accept, "127.0.0.1", port, ssl=tls, backlog=2048, limit=2**20)
        receiver.port = server.sockets[0].getsockname()[1]
        started.append((receiver, server))
        return receiver

    yield start
    for receiver, server in started:
        server.close()
        for task in list(receiver.tasks):
            task.cancel()
        if receiver.tasks:
            await asyncio.wait(list(receiver.tasks), timeout=5)
        await asyncio.sleep(0)
        assert receiver.errors == []


@pytest.fixture
def loopback() -> AddressPolicy:
    return AddressPolicy([ip_network("127.0.0.0/8"), ip_network("::1/128")])


@pytest.fixture(scope="session")
def system_tls() -> ssl.SSLContext:
    """The default context, built once: reading the system's authorities takes longer than most tests."""
    return verifying_context()


@pytest.fixture
async def make_client(loopback, system_tls) -> AsyncIterator[Callable[..., HookClient]]:
    """Build clients that may use http and loopback unless told otherwise; none leaves a connection behind."""
    made: list[HookClient] = []

    def make(policy: AddressPolicy = loopback, **options) -> HookClient:
        client = HookClient(policy, **{"allow_http": True, "tls": system_tls, **options})
        made.append(client)
        return client

    yield make
    for client in made:
        await client.aclose()
        assert client.open_connections == 0


@pytest.fixture
async def client(make_client) -> HookClient:
    return make_client()


@pytest.fixture
def ok() -> bytes:
    return OK


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for a condition, at most five seconds."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.002)

    return wait


@pytest.fixture
def many_files():
    """Room for a few thousand sockets, where the default limit is low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def open_files() -> Callable[[], int]:
    """How many file descriptors this process holds."""
    return lambda: len(list(Path("/dev/fd").iterdir()))
