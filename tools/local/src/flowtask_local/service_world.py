"""One service under test between a real PostgreSQL and a real NATS, as bootstrap leaves them; and who asks and tells it."""

import asyncio
import inspect
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar
from uuid import UUID

import asyncpg
import nats
from fastapi import FastAPI
from nats.aio.client import Client
from nats.js.errors import NotFoundError
from pydantic import SecretStr

from flowtask_contracts.base import Contract
from flowtask_contracts.commands import Command
from flowtask_contracts.events import Event
from flowtask_contracts.topology import FLOWTASK, Durable
from flowtask_kit.bootstrap.nats import bootstrap_nats, nats_authorization
from flowtask_kit.bootstrap.postgres import bootstrap_postgres
from flowtask_kit.bus.connection import inbox_prefix
from flowtask_kit.database.migrations import MigrationSet
from flowtask_kit.ids import new_id
from flowtask_kit.service.resources import Resources
from flowtask_kit.settings import ServiceSettings

from .nats import EmbeddedNats
from .postgres import EmbeddedPostgres

T = TypeVar("T")
A = TypeVar("A", bound=Contract)

PASSWORD = "only-for-tests"  # noqa: S105 - of servers that live as long as a test
PASSWORDS = {service.name: PASSWORD for service in FLOWTASK.services}
AUTHORIZATION = nats_authorization(FLOWTASK, PASSWORDS, admin_password=PASSWORD)


def apart(function: Callable[[], T]) -> T:
    """Call what runs an event loop of its own, outside of a test's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function).result()


def template_of(server: EmbeddedPostgres, service: str, migrations: MigrationSet) -> str:
    """The name of a database that bootstrap and the service's own role have prepared, to be copied by tests."""
    name = f"{migrations.schema}_template"
    server.create_database(name)
    roles = {one: SecretStr(password) for one, password in PASSWORDS.items()}
    apart(lambda: asyncio.run(bootstrap_postgres(server.url(name), FLOWTASK, roles)))
    url = server.url(name, user=FLOWTASK.service(service).role, password=PASSWORD)
    apart(lambda: migrations.upgrade(url))
    return name


@dataclass
class ServiceWorld:
    """The surroundings of one service in one test. Enter it with `async with`; leaving ends what was started."""

    service: str
    postgres: EmbeddedPostgres
    nats: EmbeddedNats
    template: str
    create_app: Callable[..., FastAPI]
    settings: type[ServiceSettings]
    database: str = ""
    _asking: dict[str, Resources] = field(default_factory=dict)
    _ending: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        """Copy the template, and make the streams anew."""
        self.database = f"{self.template}_{secrets.token_hex(4)}"
        await asyncio.to_thread(self.postgres.create_database, self.database, template=self.template)
        admin = await self.client("admin")
        for stream in FLOWTASK.streams:
            try:
                await admin.jetstream().delete_stream(stream.name)
            except NotFoundError:
                continue
        await bootstrap_nats(self.nats.url("admin", PASSWORD), FLOWTASK, replicas=1)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End replicas and connections, the last first."""
        await self._ending.aclose()

    @property
    def database_url(self) -> str:
        """The database through the service's own role."""
        return self.postgres.url(self.database, user=FLOWTASK.service(self.service).role, password=PASSWORD)

    def environment(self, **changed: Any) -> dict[str, Any]:
        """What the service's settings are made of."""
        told = {"database_url": self.database_url, "nats_url": self.nats.url(self.service, PASSWORD)}
        return {**told, "log_level": "warning", **changed}

    async def serve(self, *arguments: Any, **changed: Any) -> FastAPI:
        """Start a replica in this process; its bus is ready. `arguments` go to `create_app` after the settings."""
        app = self.create_app(self.settings(**self.environment(**changed)), *arguments)
        await self._ending.enter_async_context(app.router.lifespan_context(app))
        async with asyncio.timeout(10):
            await app.state.resources.bus.ready.wait()
        return app

    async def client(self, user: str) -> Client:
        """A NATS connection of that user."""
        client = await nats.connect(
            self.nats.url(user, PASSWORD), inbox_prefix=inbox_prefix(user).encode(), max_reconnect_attempts=-1
        )
        self._ending.push_async_callback(client.close)
        return client

    def resources_unconnected(self, service: str) -> Resources:
        """What another service has, before its bus is started; its database is the test's."""
        made = Resources.create(
            FLOWTASK.service(service),
            ServiceSettings(
                database_url=SecretStr(self.database_url), nats_url=SecretStr(self.nats.url(service, PASSWORD))
            ),
        )
        self._ending.push_async_callback(made.database.close)
        self._ending.push_async_callback(made.bus.stop)
        return made

    async def resources(self, service: str) -> Resources:
        """What another service has, its bus connected."""
        made = self.resources_unconnected(service)
        made.bus.start()
        async with asyncio.timeout(10):
            await made.bus.ready.wait()
        return made

    async def publish(self, event: Event, *, event_id: UUID | None = None, source: str = "flowtask/api") -> UUID:
        """Put an event on its stream as bootstrap's administrator; returns its id."""
        identity = event_id or new_id()
        client = await self.client("admin")
        await client.jetstream().publish(
            event.bus_subject(), event.cloud_event(identity, source).to_json(), headers={"Nats-Msg-Id": str(new_id())}
        )
        await client.close()
        return identity

    async def settled(self, durable: Durable) -> None:
        """Wait until a durable has nothing pending and nothing unacknowledged."""
        client = await self.client("admin")

        async def nothing_left() -> bool:
            info = await client.jetstream().consumer_info(durable.stream, durable.name)
            return not info.num_pending and not info.num_ack_pending

        await until(nothing_left)
        await client.close()

    async def rows(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a statement as the superuser; its rows."""
        connection = await asyncpg.connect(self.postgres.url(self.database))
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def ask(self, command: Command, answer: type[A], *, by: str = "api") -> A:
        """The answer of the service to a command of another service; raises what it refuses with."""
        if by not in self._asking:
            self._asking[by] = await self.resources(by)
        return await self._asking[by].commands.ask(command, answer)


async def until(condition: Callable[[], Any], limit: float = 60.0) -> Any:
    """The first true value of a condition, sync or async; AssertionError when there is none within `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come to hold in time"
        await asyncio.sleep(0.01)
