"""A running FlowTask with its receiver, and what a measurement does with them."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import nats
from nats.aio.client import Client

from flowtask_contracts.commands import Command, Reply
from flowtask_contracts.commands.webhooks import CreateEndpoint, DeleteEndpoint
from flowtask_contracts.topology import DISPATCHER_INTAKE
from flowtask_kit.bus.connection import inbox_prefix
from flowtask_kit.ids import new_id
from flowtask_kit.outbox.publish import Row, publish
from flowtask_local.services import AT_FULL_SPEED, SERVICES
from flowtask_local.stack import Stack
from flowtask_local.wiring import DATABASE

from . import cpu
from .receiver import Receiver

DISPATCHER = "webhook-dispatcher"
BATCH = 500
Database: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


@dataclass(frozen=True)
class Workspace:
    """A tenant of its own for one stretch of measuring, and its endpoints in order."""

    id: UUID
    endpoints: tuple[UUID, ...]


@contextmanager
def running(home: Path, *, doors: int, timeout: float) -> Iterator[tuple[Stack, Receiver]]:
    """The API, the dispatcher and their servers, as durable as in production; all of it ends with the block."""
    env = AT_FULL_SPEED | {
        DISPATCHER: {
            "FLOWTASK_WEBHOOKS_MAX_ENDPOINTS": "1000",
            "FLOWTASK_WEBHOOKS_TIMEOUT_SECONDS": str(timeout),
        }
    }
    services = [spec for spec in SERVICES if spec.name in {"api", DISPATCHER}]
    with Receiver(doors) as receiver, Stack(home, services=services, extra_env=env) as stack:
        stack.start_servers()
        stack.postgres.sql("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        stack.postgres.restart()
        stack.bootstrap()
        stack.postgres.sql("CREATE EXTENSION pg_stat_statements", database=DATABASE)
        stack.migrate()
        stack.start()
        stack.seed()
        yield stack, receiver


class World:
    """The stack as measurements see it: the API's and the dispatcher's places on the bus, and the database."""

    def __init__(self, stack: Stack, receiver: Receiver, api: Client, dispatcher: Client, database: Database) -> None:
        self.stack = stack
        self.receiver = receiver
        self.api = api
        self.database = database
        self._durable = dispatcher.jetstream()

    @property
    def pids(self) -> dict[str, int]:
        """The processes whose CPU is counted; PostgreSQL stands for all of its own."""
        process = self.stack.service(DISPATCHER)
        found = {"dispatcher": process.pid, "postgres": self.stack.postgres.pid, "nats": self.stack.nats.pid}
        return {**{name: pid for name, pid in found.items() if pid is not None}, "receiver": self.receiver.pid}

    def pin(self, *, apart: bool) -> None:
        """Give the dispatcher a core of its own and everything else the others, or let all run anywhere."""
        mine, others = cpu.cores()
        everywhere = mine | others
        api = self.stack.service("api").pid
        assert api is not None
        for name, pid in {**self.pids, "api": api}.items():
            cpu.pin(pid, everywhere if not apart else mine if name == "dispatcher" else others)

    async def ask(self, command: Command) -> Any:
        """What the dispatcher answers to a command of the API; RuntimeError for a refusal."""
        message = await self.api.request(
            command.bus_subject(), command.model_dump_json(by_alias=True, exclude_unset=True).encode(), timeout=10
        )
        reply = Reply.model_validate_json(message.data)
        if reply.error is not None:
            raise RuntimeError(reply.error.message)
        return reply.data

    async def subscribe(self, urls: Sequence[str], workspace_id: UUID | None = None) -> Workspace:
        """Endpoints at these URLs that hear everything of a workspace."""
        workspace_id = workspace_id or new_id()
        made = []
        for url in urls:
            command = CreateEndpoint(
                command_id=new_id(), workspace_id=workspace_id, created_by=workspace_id, url=url, events=("*",)
            )
            made.append(UUID((await self.ask(command))["id"]))
        return Workspace(workspace_id, tuple(made))

    @asynccontextmanager
    async def workspace(self, urls: Sequence[str]) -> AsyncIterator[Workspace]:
        """A fresh workspace with these endpoints; afterwards they are deleted, and nothing of theirs is due."""
        self.receiver.clear()
        made = await self.subscribe(urls)
        try:
            yield made
        finally:
            await self.forget(made)
            self.receiver.clear()

    async def forget(self, workspace: Workspace) -> None:
        """Delete the endpoints and wait until what was due to them is cancelled."""
        for endpoint_id in workspace.endpoints:
            command = DeleteEndpoint(command_id=new_id(), workspace_id=workspace.id, endpoint_id=endpoint_id)
            await self.ask(command)
        await self.settled(workspace)

    async def settled(self, workspace: Workspace, seconds: float = 300.0) -> None:
        """Wait until every message is acknowledged and nothing is due to the workspace's endpoints."""
        deadline = time.monotonic() + seconds
        due = "SELECT EXISTS (SELECT FROM webhooks.due WHERE endpoint_id = ANY($1))"
        while True:
            info = await self._durable.consumer_info(DISPATCHER_INTAKE.stream, DISPATCHER_INTAKE.name)
            pending = info.num_pending or info.num_ack_pending
            if not pending and not await self.database.fetchval(due, list(workspace.endpoints)):
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"not settled within {seconds:g} s: {info.num_pending} messages pending")
            await asyncio.sleep(0.05)

    async def publish(self, rows: Sequence[Row]) -> None:
        """Put events on the stream as the relay does, in atomic batches, and wait for the acknowledgements."""
        for first in range(0, len(rows), BATCH):
            await publish(self.api, rows[first : first + BATCH], [])

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """The dispatcher stands still within the block, by SIGSTOP, so that the stream fills."""
        process = self.stack.service(DISPATCHER)
        process.signal("STOP")
        try:
            yield
        finally:
            process.signal("CONT")


@asynccontextmanager
async def world(stack: Stack, receiver: Receiver) -> AsyncIterator[World]:
    """Connections to a running stack."""
    api = await _connect(stack.environment("api"), "api")
    dispatcher = await _connect(stack.environment(DISPATCHER), DISPATCHER)
    database = await asyncpg.create_pool(stack.postgres.url(DATABASE), min_size=1, max_size=2, command_timeout=600)
    try:
        yield World(stack, receiver, api, dispatcher, database)
    finally:
        await database.close()
        await api.close()
        await dispatcher.close()


async def _connect(environment: Mapping[str, str], service: str) -> Client:
    client: Client = await nats.connect(environment["FLOWTASK_NATS_URL"], inbox_prefix=inbox_prefix(service))
    return client
