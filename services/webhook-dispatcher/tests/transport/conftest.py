"""Real receivers on loopback: each test says how its receiver behaves, connection by connection."""

import asyncio
import datetime as dt
import ipaddress
import resource
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import count
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flowtask_webhook_dispatcher.transport import AddressPolicy, Admission, HookClient, Target, parse_url
from flowtask_webhook_dispatcher.transport.dialing import verifying_context

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
_numbers = count()

ANY_PORT = (range(1, 65536),)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Authority:
    """A certificate authority that lives for one test run."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        key_usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(key_usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def client_context(self):
        context = ssl.create_default_context(cadata=self.certificate.public_bytes(serialization.Encoding.PEM).decode())
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # what some distributions' Pythons leave to OpenSSL's settings
        return context

    def server_context(self, host, ends=NOW + DAY, begins=NOW - 2 * DAY, *, by_itself=False, sent_along=False):
        """A server's side of TLS for this host; its certificate is of this authority, which may be sent along, or signs itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer = key if by_itself else self.key
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
        try:
            name = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if by_itself else self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        path = self.folder / f"{next(_numbers)}.pem"
        pem = serialization.Encoding.PEM
        plain = serialization.NoEncryption()
        path.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
            + certificate.public_bytes(pem)
            + (self.certificate.public_bytes(pem) if sent_along else b"")
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


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


@pytest.fixture(scope="session")
def trusted(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "trusted")


@pytest.fixture(scope="session")
def untrusted(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "untrusted")


@pytest.fixture
def loopback() -> AddressPolicy:
    return AddressPolicy([ip_network("127.0.0.0/8"), ip_network("::1/128")])


@pytest.fixture(scope="session")
def system_tls() -> ssl.SSLContext:
    """The default context, built once: reading the system's authorities takes longer than most tests."""
    return verifying_context()


@pytest.fixture
async def make_client(loopback, system_tls) -> AsyncIterator[Callable[..., HookClient]]:
    """Build clients that may use http, any port and loopback unless told otherwise; none leaves a connection behind."""
    made: list[HookClient] = []

    def make(
        policy: AddressPolicy = loopback, *, allow_http=True, ports=ANY_PORT, resolve=None, **options
    ) -> HookClient:
        admission = Admission(policy, allow_http=allow_http, ports=ports, resolve=resolve)
        client = HookClient(admission, **{"tls": system_tls, **options})
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
    """Wait for a condition, at most half a minute."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
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
