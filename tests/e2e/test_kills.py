"""Nothing accepted is ever lost, whatever is killed and whenever. Each crash point is proved to have been reached."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import nats
import pytest

from e2e.outages import died_at
from e2e.receivers import Receiver, verifies_as_plain_hmac, verifies_as_standard_webhook
from e2e.settings import ENV, redeliver_soon
from flowtask_contracts.topology import EVENTS
from flowtask_local.stack import Stack

WRITES = 1000
WRITERS = 12


@pytest.fixture(scope="module")
def durable() -> bool:
    return True


@pytest.fixture(scope="module")
def env() -> dict[str, dict[str, str]]:
    """Attempts are short, and so are claims, which outlast two of them: a dead process's come back sooner."""
    dispatcher = ENV["webhook-dispatcher"] | {"FLOWTASK_WEBHOOKS_TIMEOUT_SECONDS": "3"}
    return ENV | {"webhook-dispatcher": dispatcher}


@pytest.fixture(scope="module")
def stack(stack: Stack) -> Stack:
    """The whole FlowTask, whose messages are redelivered soon."""
    redeliver_soon(stack)
    return stack


@dataclass
class Writers:
    """Clients that create tasks until enough were accepted, whatever happens to the servers meanwhile."""

    client: httpx2.AsyncClient
    accepted: set[str] = field(default_factory=set)
    refused: int = 0

    async def run(self) -> None:
        numbers = itertools.count()
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(self._write(numbers))

    async def reached(self, count: int) -> None:
        while len(self.accepted) < count:
            await asyncio.sleep(0.005)  # between two looks at the condition

    async def _write(self, numbers: "itertools.count[int]") -> None:
        while len(self.accepted) < WRITES:
            try:
                answer = await self.client.post("/tasks", json={"title": f"task {next(numbers)}"})
            except httpx2.TransportError:
                self.refused += 1
                await asyncio.sleep(0.02)  # the server is away: give it time to come back
                continue
            if answer.status_code == 201:
                self.accepted.add(answer.json()["data"]["id"])
            else:
                assert answer.status_code == 503, answer.text
                self.refused += 1
                await asyncio.sleep(0.02)


@asynccontextmanager
async def subscribed(client: httpx2.AsyncClient, receiver: Receiver) -> AsyncIterator[dict[str, str]]:
    """An endpoint for as long as the block runs."""
    answer = await client.post("/webhooks", json={"url": receiver.url(), "events": ["task.created"]})
    assert answer.status_code == 201, answer.text
    endpoint = answer.json()["data"]
    try:
        yield endpoint
    finally:
        await client.delete(f"/webhooks/{endpoint['id']}")


def rows(stack: Stack, statement: str) -> list[str]:
    return stack.postgres.sql(statement, database="flowtask").split()


async def everything_arrived(stack: Stack, receiver: Receiver, writers: Writers, endpoint: dict[str, str]) -> int:
    """0 lost, nothing invented, repeats identical; returns how many requests were repeats."""
    assert len(writers.accepted) >= WRITES

    await receiver.until(lambda: writers.accepted <= receiver.accepted, seconds=90)
    open_work = "SELECT (SELECT count(*) FROM webhooks.due) + (SELECT count(*) FROM api.outbox)"
    async with asyncio.timeout(60):
        while await asyncio.to_thread(rows, stack, open_work) != ["0"]:
            await asyncio.sleep(0.05)  # between two looks at the condition
    written = set(await asyncio.to_thread(rows, stack, "SELECT id FROM api.tasks"))
    assert receiver.accepted <= written
    for repeats in receiver.by_event.values():
        assert len({(each.headers["x-flowtask-delivery"], each.body) for each in repeats}) == 1
    for request in receiver.requests:
        assert verifies_as_standard_webhook(endpoint["secret"], request)
        assert verifies_as_plain_hmac(endpoint["secret"], request)
    of_endpoint = f"FROM webhooks.deliveries WHERE endpoint_id = '{endpoint['id']}'"
    statuses = await asyncio.to_thread(rows, stack, f"SELECT DISTINCT status {of_endpoint}")
    assert statuses == ["delivered"]
    await cleared(stack)
    return len(receiver.requests) - len(receiver.by_event)


async def cleared(stack: Stack) -> None:
    """What everybody has acknowledged does not stay in the stream, whatever happened on the way."""
    client = await nats.connect(stack.nats.url("admin", stack._keys.nats_admin))
    try:
        async with asyncio.timeout(60):
            while (await client.jetstream().stream_info(EVENTS.name)).state.messages:
                await asyncio.sleep(0.2)  # between two looks at the condition
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("service", "crashpoint", "passes"),
    [
        pytest.param("api", "outbox.after-commit", 300, id="api after commit and before publish"),
        pytest.param("api", "relay.after-publish", 8, id="relay after publish and before delete"),
        pytest.param(
            "webhook-dispatcher", "dispatcher.after-post", 200, id="dispatcher after POST and before recording"
        ),
    ],
)
async def test_a_service_killed_at_its_worst_moment_loses_nothing(
    stack: Stack, client: httpx2.AsyncClient, service: str, crashpoint: str, passes: int
) -> None:
    async with Receiver() as receiver, subscribed(client, receiver) as endpoint:
        process = stack.service(service)
        await asyncio.to_thread(process.restart, env={"FLOWTASK_CRASHPOINTS": f"{crashpoint}:{passes}"})
        writers = Writers(client)
        writing = asyncio.create_task(writers.run())
        await asyncio.to_thread(died_at, process, crashpoint)
        await asyncio.to_thread(process.restart)
        await writing
        await everything_arrived(stack, receiver, writers, endpoint)


async def test_a_dispatcher_killed_after_claiming_loses_nothing(stack: Stack, client: httpx2.AsyncClient) -> None:
    """The first 100 events fail once, so that they become due rows; the dispatcher dies with its claims."""
    failed: set[str] = set()

    def answer(_path: str, headers: dict[str, str], _body: bytes) -> int:
        event = headers["webhook-id"]
        if len(failed) < 100 and event not in failed:
            failed.add(event)
            return 500
        return 200

    async with Receiver(answer) as receiver, subscribed(client, receiver) as endpoint:
        process = stack.service("webhook-dispatcher")
        env = {"FLOWTASK_WEBHOOKS_BREAKER_FAILURES": "1000"}  # all that fail are to be due at once
        await asyncio.to_thread(process.restart, env={**env, "FLOWTASK_CRASHPOINTS": "dispatcher.after-claim:1"})
        writers = Writers(client)
        writing = asyncio.create_task(writers.run())
        await asyncio.to_thread(died_at, process, "dispatcher.after-claim")
        claimed = await asyncio.to_thread(rows, stack, "SELECT count(*) FROM webhooks.due WHERE claim_no > 0")
        assert int(claimed[0]) > 0
        await asyncio.to_thread(process.restart, env=env)
        await writing
        await everything_arrived(stack, receiver, writers, endpoint)


def nats_of(stack: Stack) -> Callable[[], None]:
    return stack.nats.kill


def postgres_of(stack: Stack) -> Callable[[], None]:
    return stack.postgres.kill


@pytest.mark.parametrize("server", [nats_of, postgres_of], ids=["NATS", "PostgreSQL"])
async def test_a_server_killed_under_load_loses_nothing_and_no_service_is_restarted(
    stack: Stack, client: httpx2.AsyncClient, server: Callable[[Stack], Callable[[], None]]
) -> None:
    async with Receiver() as receiver, subscribed(client, receiver) as endpoint:
        pids = [process.pid for process in stack.processes]
        writers = Writers(client)
        writing = asyncio.create_task(writers.run())
        for third in (1, 2):
            await writers.reached(third * WRITES // 3)
            await asyncio.to_thread(server(stack))
            await on_a_dead_server(writers)
            await asyncio.to_thread(stack.start_servers)
        await writing
        await everything_arrived(stack, receiver, writers, endpoint)
        assert [process.pid for process in stack.processes] == pids
        assert all(process.running for process in stack.processes)


async def on_a_dead_server(writers: Writers) -> None:
    """Let the writers work against the outage for a while: more accepted or more refused, whichever it brings."""
    seen = len(writers.accepted) + writers.refused
    async with asyncio.timeout(60):
        while len(writers.accepted) + writers.refused < seen + 20:
            await asyncio.sleep(0.01)  # between two looks at the condition
