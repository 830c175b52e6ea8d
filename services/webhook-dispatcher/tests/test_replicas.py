"""Several replicas, and their end: as real processes of the service's own program."""

import asyncio
import time
from dataclasses import replace
from urllib.request import urlopen

import pytest

from flowtask_contracts.commands import GetEndpointHealth
from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.ids import new_id


@pytest.fixture
def topology():
    """The real one, but for the time after which a dead replica's messages go to another: 30 seconds are long in a test."""
    return replace(FLOWTASK, durables=tuple(replace(durable, ack_wait=4) for durable in FLOWTASK.durables))


async def test_at_its_end_a_replica_hands_back_what_was_not_sent_and_another_sends_it_at_once(
    spawn, receive, subscribe, publish, until, rows_of
):
    slow = asyncio.Event()

    async def one_by_one(_request):
        if not slow.is_set():
            await asyncio.sleep(0.7)
        return 200

    receiver = await receive(one_by_one)
    first = await spawn(FLOWTASK_WEBHOOKS_ENDPOINT_CONCURRENCY="2")
    await subscribe(receiver.url)
    events = [str(await publish()) for _ in range(30)]
    await until(lambda: len(receiver.requests) >= 2)
    second = await spawn()
    begun = time.monotonic()
    code = await asyncio.to_thread(first.terminate)
    assert code == 0
    assert time.monotonic() - begun < 8
    slow.set()
    ended = time.monotonic()
    await until(lambda: set(receiver.ids()) == set(events))
    assert time.monotonic() - ended < 5
    assert len(receiver.requests) == 30

    async def recorded():
        rows = await rows_of("deliveries")
        return len(rows) == 30 and {row["status"] for row in rows} == {"delivered"}

    await until(recorded)
    assert not any('"level":"error"' in line for line in first.log_lines + second.log_lines)
    assert await asyncio.to_thread(second.terminate) == 0


async def test_at_its_end_a_replica_waits_for_the_attempts_under_way(
    spawn, receive, subscribe, publish, until, rows_of
):
    gate = asyncio.Event()

    async def behind_the_gate(_request):
        await gate.wait()
        return 200

    receiver = await receive(behind_the_gate)
    replica = await spawn()
    await subscribe(receiver.url)
    await publish()
    await until(lambda: receiver.requests)
    replica.signal("TERM")
    await asyncio.sleep(0.5)
    assert replica.running
    gate.set()
    assert await asyncio.to_thread(replica.wait, 10) == 0
    assert [(row["status"], row["attempts"]) for row in await rows_of("deliveries")] == [("delivered", 1)]
    assert await rows_of("due") == []


async def test_what_a_killed_replica_had_in_hand_comes_to_another_with_the_same_bytes(
    spawn, receive, subscribe, publish, until
):
    receiver = await receive()
    first = await spawn(FLOWTASK_CRASHPOINTS="dispatcher.after-post")
    await subscribe(receiver.url)
    event = await publish()
    assert await asyncio.to_thread(first.wait, 20) == -9
    assert len(receiver.requests) == 1
    second = await spawn()
    await until(lambda: len(receiver.requests) == 2)
    one, two = receiver.requests
    assert one.body == two.body
    assert one.event_id == two.event_id == str(event)
    assert one.headers["x-flowtask-delivery"] == two.headers["x-flowtask-delivery"]
    assert await asyncio.to_thread(second.terminate) == 0


async def test_with_two_replicas_an_endpoint_made_before_an_event_always_gets_it(
    serve, receive, subscribe, publish, until
):
    await serve()
    await serve()
    receiver = await receive()
    for _ in range(30):
        workspace_id = new_id()
        await subscribe(receiver.url, workspace_id=workspace_id)
        events = [await publish(workspace_id=workspace_id) for _ in range(2)]
        await until(lambda events=events: all(receiver.of(event) for event in events), 5)
    assert len(receiver.requests) == 60


async def test_two_replicas_share_a_flood_without_a_repeat(serve, receive, subscribe, publish, until, rows_of):
    await serve()
    await serve()
    receiver = await receive()
    await subscribe(receiver.url)
    events = await asyncio.gather(*(publish() for _ in range(1000)))
    await until(lambda: len(receiver.requests) >= 1000, 30)

    async def recorded():
        rows = await rows_of("deliveries")
        return len(rows) == 1000 and {row["status"] for row in rows} == {"delivered"}

    await until(recorded)
    assert sorted(receiver.ids()) == sorted(str(event) for event in events)


def attempts_of(process) -> int:
    """How many attempts a replica says that it has made."""
    with urlopen(f"{process.url}/metrics") as page:  # noqa: S310 - a process of this test
        lines = [line.split() for line in page.read().decode().splitlines()]
    return sum(int(float(line[-1])) for line in lines if line and line[0].startswith("flowtask_webhook_attempts_total"))


async def test_what_two_replicas_deliver_adds_up_in_the_health_of_an_endpoint(
    spawn, receive, subscribe, publish, until, ask, workspace
):
    """Every attempt counts once, whoever has made it, also those of a replica's last seconds."""
    first, second = await spawn(), await spawn()
    receiver = await receive(lambda request: 404 if int(request.event_id[-1], 16) < 4 else 200)
    endpoint = await subscribe(receiver.url)

    async def counted():
        health = await ask(GetEndpointHealth(workspace_id=workspace, endpoint_id=endpoint.id))
        return health if health.windows[0].attempts == len(receiver.requests) else None

    async def share(events):
        await asyncio.gather(*(publish() for _ in range(events)))
        await until(lambda: len(receiver.requests) == sent + events)

    sent = 0
    while sent < 400 or not all([await asyncio.to_thread(attempts_of, each) for each in (first, second)]):
        await share(100)
        sent += 100
    await until(counted)
    await share(100)
    assert await asyncio.to_thread(first.terminate) == 0
    health = await until(counted)
    refused = sum(int(request.event_id[-1], 16) < 4 for request in receiver.requests)
    assert [window.window for window in health.windows] == ["1h", "24h", "7d"]
    for window in health.windows:
        assert (window.attempts, window.delivered) == (sent + 100, sent + 100 - refused)
        assert window.success_rate == round(window.delivered / window.attempts, 4)
        assert 0 < window.p50_ms <= window.p95_ms
    assert await asyncio.to_thread(second.terminate) == 0
