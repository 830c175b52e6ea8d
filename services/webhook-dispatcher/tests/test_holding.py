"""Slow, hanging and flooded receivers: nobody holds the stream, and nobody harms another."""

import asyncio
import statistics
import time

import pytest


async def slowly(seconds):
    await asyncio.sleep(seconds)
    return 200


@pytest.fixture
def due(rows_of):
    async def read():
        return await rows_of("due")

    return read


@pytest.fixture
def managed(rows_of):
    async def read():
        return {row["endpoint_id"] for row in await rows_of("endpoint_state") if row["managed"]}

    return read


async def test_a_message_is_acknowledged_a_second_after_it_came_although_its_receiver_takes_longer(
    serve, receive, subscribe, publish, settled, until, unacknowledged, due
):
    await serve()
    receiver = await receive(lambda _request: slowly(2.5))
    endpoint = await subscribe(receiver.url)
    event = await publish()
    await until(lambda: receiver.requests)
    begun = receiver.requests[0].at

    async def acknowledged():
        return await unacknowledged() == 0

    await until(acknowledged)
    assert 0.8 < time.monotonic() - begun < 2.4
    [row] = await due()
    assert (row["event_id"], row["claim_no"], row["attempts"]) == (event, 1, 0)
    found = await settled(endpoint, event, "delivered")
    assert time.monotonic() - begun >= 2.5
    assert await due() == []
    assert found.attempts == len(receiver.requests) == 1


async def test_a_hanging_receiver_leaves_the_latency_of_the_others_as_it_was(
    serve, receive, subscribe, publish, until, unacknowledged
):
    await serve(webhooks_timeout_seconds=3)
    hanging, healthy = await receive(lambda _request: slowly(60)), await receive()
    await subscribe(hanging.url, ["task.*"])
    await subscribe(healthy.url, ["project.*"])

    async def latencies(number):
        took = []
        for _ in range(number):
            begun = time.monotonic()
            event = await publish("project.created")
            [request] = await until(lambda event=event: healthy.of(event))
            took.append(request.at - begun)
        return statistics.median(took)

    alone = await latencies(40)
    flood = [await publish("task.created") for _ in range(200)]
    beside = await latencies(40)
    assert len(flood) == 200
    assert beside < max(alone * 3, 0.05)
    assert hanging.requests

    async def acknowledged():
        return await unacknowledged() == 0

    await until(acknowledged)


async def test_a_flooded_receiver_becomes_managed_drains_once_and_becomes_free_again(
    serve, receive, subscribe, publish, until, due, managed, rows_of
):
    await serve(webhooks_endpoint_concurrency=4)
    gate = asyncio.Event()

    async def behind_the_gate(_request):
        await gate.wait()
        return 200

    receiver = await receive(behind_the_gate)
    endpoint = await subscribe(receiver.url)
    events = [str(await publish()) for _ in range(700)]

    async def is_managed():
        return endpoint.id in await managed()

    await until(is_managed)
    gate.set()

    async def is_free():
        return await managed() == set() and await due() == []

    await until(lambda: len(receiver.requests) >= 700, 30)
    await until(is_free)
    assert sorted(receiver.ids()) == sorted(events)
    assert {row["status"] for row in await rows_of("deliveries")} == {"delivered"}
    last = await publish()
    await until(lambda: receiver.of(last))
    assert await due() == []


async def test_a_burst_to_a_fast_receiver_arrives_once_each(serve, receive, subscribe, publish, until, rows_of):
    await serve()
    receiver = await receive()
    await subscribe(receiver.url)
    events = await asyncio.gather(*(publish() for _ in range(1500)))
    await until(lambda: len(receiver.requests) >= 1500, 30)

    async def recorded():
        rows = await rows_of("deliveries")
        return len(rows) == 1500 and {row["status"] for row in rows} == {"delivered"}

    await until(recorded)
    assert sorted(receiver.ids()) == sorted(str(event) for event in events)


async def test_many_hanging_endpoints_do_not_take_every_place(serve, receive, subscribe, publish, until):
    await serve(webhooks_timeout_seconds=2, webhooks_concurrency=32, webhooks_endpoint_concurrency=8)
    hanging = [await receive(lambda _request: slowly(60)) for _ in range(5)]
    healthy = await receive()
    for receiver in hanging:
        await subscribe(receiver.url, ["task.*"])
    await subscribe(healthy.url, ["project.*"])
    for _ in range(20):
        await publish("task.created")
    await until(lambda: sum(len(receiver.requests) for receiver in hanging) >= 24)
    begun = time.monotonic()
    events = [await publish("project.created") for _ in range(10)]
    await until(lambda: all(healthy.of(event) for event in events))
    assert time.monotonic() - begun < 1.8  # before any of those that hang has given its place back
