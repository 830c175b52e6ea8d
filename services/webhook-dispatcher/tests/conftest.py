"""One real PostgreSQL, one real NATS with the real authorization and streams, and the dispatcher between them."""

import asyncio
import inspect
import socket
import sysconfig
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import nats
import orjson
import pytest
from nats.js.errors import NotFoundError
from pydantic import SecretStr

from flowtask_contracts.commands import CreateEndpoint, GetDelivery, ListDeliveries
from flowtask_contracts.topology import DISPATCHER_INTAKE, FLOWTASK
from flowtask_kit import logs
from flowtask_kit.bootstrap.nats import bootstrap_nats
from flowtask_kit.bootstrap.nats import nats_authorization as authorization_of
from flowtask_kit.bootstrap.postgres import bootstrap_postgres
from flowtask_kit.bus.connection import inbox_prefix
from flowtask_kit.ids import new_id, utc_now
from flowtask_kit.service.resources import Resources
from flowtask_kit.settings import ServiceSettings
from flowtask_local.ports import free_port
from flowtask_local.services import ServiceProcess
from flowtask_local.testing import nats_server, nats_server_factory, postgres_server  # noqa: F401 - fixtures
from flowtask_webhook_dispatcher.app import create_app
from flowtask_webhook_dispatcher.database import MIGRATIONS
from flowtask_webhook_dispatcher.settings import DispatcherSettings

PASSWORD = "only-for-tests"
PASSWORDS = {service.name: PASSWORD for service in FLOWTASK.services}
ROLE = FLOWTASK.service("webhook-dispatcher").role
RING = "test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="
PULL = f"$JS.API.CONSUMER.MSG.NEXT.{DISPATCHER_INTAKE.stream}.{DISPATCHER_INTAKE.name}"
_databases = count()


def apart(function: Callable[[], Any]) -> Any:
    """Call what runs an event loop of its own, outside of the test's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function).result()


@pytest.fixture(scope="session", autouse=True)
def _logs():
    """Lines as in production: the default renderer for terminals takes seconds for a traceback."""
    logs.configure("webhook-dispatcher", "info")


@pytest.fixture(scope="session")
def make_template():
    """Make, in a server, a database migrated by the service's own role, to be copied by each test."""

    def make(server) -> str:
        name = "dispatcher_template"
        server.create_database(name)
        secrets = {service: SecretStr(password) for service, password in PASSWORDS.items()}
        apart(lambda: asyncio.run(bootstrap_postgres(server.url(name), FLOWTASK, secrets)))
        apart(lambda: MIGRATIONS.upgrade(server.url(name, user=ROLE, password=PASSWORD)))
        return name

    return make


@pytest.fixture(scope="session")
def template(postgres_server, make_template) -> str:  # noqa: F811
    return make_template(postgres_server)


@pytest.fixture
def database_url(postgres_server, template) -> str:  # noqa: F811
    """A migrated database of the test's own, through the service's role."""
    name = f"dispatcher_{next(_databases)}"
    postgres_server.create_database(name, template=template)
    return postgres_server.url(name, user=ROLE, password=PASSWORD)


@pytest.fixture
def in_a_thread():
    """Call what runs an event loop of its own."""
    return apart


@pytest.fixture
async def pool(database_url) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=8, timeout=10) as made:
        yield made


@pytest.fixture
async def sql(pool):
    """Run one statement and give its rows."""
    return pool.fetch


@pytest.fixture
def rows_of(pool):
    """All rows of a table."""

    async def read(table):
        return await pool.fetch(f"SELECT * FROM webhooks.{table}")  # noqa: S608 - the test's own

    return read


@pytest.fixture(scope="module")
def nats_authorization() -> str:
    return authorization_of(FLOWTASK, PASSWORDS, admin_password=PASSWORD)


@pytest.fixture
def topology():
    """What bootstrap makes; a module that wants other durables overrides this fixture."""
    return FLOWTASK


@pytest.fixture
async def nats_url(nats_server, topology) -> Callable[[str], str]:  # noqa: F811
    """The URL of a service's own user, at a server with fresh streams."""
    admin = nats_server.url("admin", PASSWORD)
    client = await nats.connect(admin)
    for stream in FLOWTASK.streams:
        try:
            await client.jetstream().delete_stream(stream.name)
        except NotFoundError:
            continue
    await client.close()
    await bootstrap_nats(admin, topology, replicas=1)
    return lambda user: nats_server.url(user, PASSWORDS.get(user, PASSWORD))


@pytest.fixture
def until():
    """Wait until a condition holds, asking it again and again; `limit` is in seconds."""

    async def wait(condition, limit=60.0, pause=0.01):
        deadline = time.monotonic() + limit
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            assert time.monotonic() < deadline, "it did not come to hold in time"
            await asyncio.sleep(pause)

    return wait


@dataclass
class Request:
    at: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        return orjson.loads(self.body)


@dataclass
class Receiver:
    """A customer's server. `answer` gives the status for a request, or status and headers, or waits as long as it likes first."""

    answer: Callable[[Request], Any]
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    tasks: set = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def ids(self) -> list[str]:
        return [request.event_id for request in self.requests]

    def of(self, event_id) -> list[Request]:
        return [request for request in self.requests if request.event_id == str(event_id)]

    async def accept(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.split(": ", 1) for line in head[1:-2])
                lower = {name.lower(): value for name, value in headers.items()}
                body = await reader.readexactly(int(lower["content-length"]))
                request = Request(time.monotonic(), head[0].split()[1], lower, body)
                self.requests.append(request)
                status = self.answer(request)
                if inspect.isawaitable(status):
                    status = await status
                status, more = status if isinstance(status, tuple) else (status, {})
                extra = b"".join(f"{name}: {value}\r\n".encode() for name, value in more.items())
                extra += b"Location: http://127.0.0.1:1/\r\n" if 300 <= status < 400 else b""
                writer.write(b"HTTP/1.1 %d Said\r\n%bContent-Length: 4\r\n\r\nbody" % (status, extra))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self.tasks.discard(asyncio.current_task())


@pytest.fixture
async def receive():
    """Start a receiver that answers so: a status, or a function of the request."""
    started = []

    async def start(answer=200) -> Receiver:
        receiver = Receiver(answer if callable(answer) else lambda _request: answer)
        server = await asyncio.start_server(receiver.accept, "127.0.0.1", 0, backlog=2048)
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


@dataclass
class ConnectProxy:
    """An egress proxy that tunnels to ports of this machine, whatever address is asked for.

    `routes` are the ports behind the addresses asked for (`b"8.8.8.8:443"`), any other goes to `default`. `answer`
    replaces the whole reply to CONNECT, by bytes or by what a function does with reader and writer.
    """

    routes: dict[bytes, int] = field(default_factory=dict)
    default: int = 0
    answer: Any = None
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    tasks: set = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked_for(self) -> list[bytes]:
        return [head.split(b" ")[1] for head in self.heads]

    async def accept(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if callable(self.answer):
                await self.answer(reader, writer)
            elif self.answer is not None:
                writer.write(self.answer)
                await reader.read(1)
            else:
                await self._tunnel(reader, writer, self.routes.get(head.split(b" ")[1], self.default))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self.tasks.discard(asyncio.current_task())

    async def _tunnel(self, reader, writer, port):
        there, back = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 egress\r\n\r\n")
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        finally:
            back.transport.abort()

    async def _copy(self, source, sink):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
        sink.transport.abort()


@pytest.fixture
async def connect_proxy():
    """Start a proxy; further arguments are its fields."""
    started = []

    async def start(**named) -> ConnectProxy:
        proxy = ConnectProxy(**named)
        server = await asyncio.start_server(proxy.accept, "127.0.0.1", proxy.port, backlog=2048)
        proxy.port = server.sockets[0].getsockname()[1]
        started.append((proxy, server))
        return proxy

    yield start
    for proxy, server in started:
        server.close()
        for task in list(proxy.tasks):
            task.cancel()
        if proxy.tasks:
            await asyncio.wait(list(proxy.tasks), timeout=5)


@pytest.fixture
def workspace() -> UUID:
    return uuid4()


@pytest.fixture
def settings(database_url, nats_url):
    """Settings of a dispatcher that may deliver to this machine."""

    def make(**changed) -> DispatcherSettings:
        return DispatcherSettings(
            **{
                "database_url": database_url,
                "nats_url": nats_url("webhook-dispatcher"),
                "webhooks_secret_keys": RING,
                "webhooks_allow_http": True,
                "webhooks_allow_private_networks": "127.0.0.0/8",
                "webhooks_ports": "1-65535",
                **changed,
            }
        )

    return make


@pytest.fixture
def resolve():
    """The name server of the test's dispatchers: no name exists, unless a module knows better."""

    async def unknown(_host, _port):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    return unknown


@pytest.fixture
async def serve(settings, resolve):
    """Start a replica of the service in this process; it is ready when this returns. `stop` ends it in good order."""
    async with AsyncExitStack() as running:

        async def start(**changed):
            app = create_app(settings(**changed), resolve=resolve)
            replica = AsyncExitStack()
            await replica.enter_async_context(app.router.lifespan_context(app))
            running.push_async_callback(replica.aclose)
            async with asyncio.timeout(60):
                await app.state.resources.bus.ready.wait()
            return SimpleNamespace(app=app, stop=replica.aclose)

        yield start


@pytest.fixture
async def spawn(settings, tmp_path):
    """Start the real program as its image does; it is ready when this returns."""
    program = Path(sysconfig.get_path("scripts")) / "flowtask-webhook-dispatcher"
    started = []

    async def start(**more):
        told = settings()
        port = free_port()
        env = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "FLOWTASK_DATABASE_URL": told.database_url.get_secret_value(),
            "FLOWTASK_NATS_URL": told.nats_url.get_secret_value(),
            "FLOWTASK_PORT": str(port),
            "FLOWTASK_WEBHOOKS_SECRET_KEYS": told.webhooks_secret_keys.get_secret_value(),
            "FLOWTASK_WEBHOOKS_ALLOW_HTTP": "true",
            "FLOWTASK_WEBHOOKS_ALLOW_PRIVATE_NETWORKS": "127.0.0.0/8",
            "FLOWTASK_WEBHOOKS_PORTS": "1-65535",
            **more,
        }
        process = ServiceProcess(f"replica-{len(started)}", [program, "serve"], env=env, port=port, cwd=tmp_path)
        started.append(process)
        process.start()
        await asyncio.to_thread(process.wait_ready)
        return process

    yield start
    for process in started:
        await asyncio.to_thread(process.close)


@pytest.fixture
async def api(nats_url, database_url):
    """What the api has: a way to ask, and a connection that may publish tasks and projects."""
    settings = ServiceSettings(
        database_url=database_url, nats_url=nats_url("api"), command_patience=4
    )  # a busy machine's
    resources = Resources.create(FLOWTASK.service("api"), settings)
    resources.bus.start()
    await resources.bus.ready.wait()
    client = await nats.connect(
        nats_url("api"), inbox_prefix=inbox_prefix("api").encode(), reconnect_time_wait=0.05, max_reconnect_attempts=-1
    )
    yield SimpleNamespace(ask=resources.commands.ask, client=client)
    await client.close()
    await resources.bus.stop()
    await resources.database.close()


@pytest.fixture
def ask(api):
    """Send a command as the api does, and give its answer."""
    return lambda command: api.ask(command, type(command).answer)


@pytest.fixture
def cloud_event(workspace):
    """The bytes of an event as the outbox of the api holds them."""

    def make(kind="task.created", *, event_id=None, workspace_id=None, **more) -> bytes:
        return orjson.dumps(
            {
                "specversion": "1.0",
                "id": str(event_id or new_id()),
                "source": "flowtask/api",
                "type": kind,
                "subject": str(uuid4()),
                "time": utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "datacontenttype": "application/json",
                "workspaceid": str(workspace_id or workspace),
                "actor": "user:1",
                "aggregateversion": 1,
                "dataversion": 1,
                "data": {"title": "Write it down", "count": 1},
                **more,
            }
        )

    return make


@pytest.fixture
def publish(api, cloud_event):
    """Put an event on the stream, acknowledged by the server; gives its id."""

    async def send(kind="task.created", *, payload=None, subject=None, **more) -> UUID:
        event_id = more.pop("event_id", None) or new_id()
        payload = payload if payload is not None else cloud_event(kind, event_id=event_id, **more)
        answer = await api.client.request(
            subject or f"events.{kind}", payload, headers={"Nats-Msg-Id": str(event_id)}, timeout=5
        )
        assert "error" not in orjson.loads(answer.data), answer.data
        return event_id

    return send


@pytest.fixture
def subscribe(ask, workspace):
    """Make an endpoint by command."""

    async def make(url, events=("*",), **more):
        return await ask(
            CreateEndpoint(
                **{
                    "workspace_id": workspace,
                    "command_id": new_id(),
                    "created_by": uuid4(),
                    "url": url,
                    "events": events,
                    **more,
                }
            )
        )

    return make


@pytest.fixture
def deliveries(ask, workspace):
    """An endpoint's newest deliveries as its owner sees them."""

    async def page(endpoint, **filters):
        return (await ask(ListDeliveries(workspace_id=workspace, endpoint_id=endpoint.id, **filters))).items

    return page


@pytest.fixture
def delivery(ask, workspace, deliveries):
    """One delivery in full, or None before there is one."""

    async def get(endpoint, event_id):
        for item in await deliveries(endpoint, limit=100):
            if item.event_id == event_id:
                return await ask(GetDelivery(workspace_id=workspace, delivery_id=item.id))
        return None

    return get


@pytest.fixture
def settled(delivery, until):
    """Wait until a delivery has reached this status."""

    async def wait(endpoint, event_id, status, limit=60.0):
        async def reached():
            found = await delivery(endpoint, event_id)
            return found if found is not None and found.status == status else None

        return await until(reached, limit)

    return wait


@pytest.fixture
async def unacknowledged(nats_url):
    """How many messages of the intake are pulled and not acknowledged, and how many wait behind them."""
    client = await nats.connect(nats_url("admin"))

    async def ask_server() -> int:
        info = await client.jetstream().consumer_info("EVENTS", "webhook-dispatcher")
        return info.num_ack_pending + info.num_pending

    yield ask_server
    await client.close()


@pytest.fixture
async def take_first(nats_url):
    """Pull messages as a replica does that then dies: they are never acknowledged, and come back when nacked."""
    client = await nats.connect(
        nats_url("webhook-dispatcher"), inbox_prefix=inbox_prefix("webhook-dispatcher").encode()
    )
    taken = asyncio.Queue()

    async def take(number):
        inbox = client.new_inbox()
        await client.subscribe(inbox, cb=taken.put)
        await client.publish(PULL, b'{"batch": %d}' % number, reply=inbox)
        return [await asyncio.wait_for(taken.get(), 30) for _ in range(number)]

    yield take
    await client.close()
