"""The database or the broker away: nothing is lost, and nothing is sent that could not be recorded."""

import asyncio

import pytest

from flowtask_local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def postgres_server(tmp_path_factory):
    """A server of this module's own, because it is stopped here."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("mortal") / "data", durable=False) as server:
        yield server


@pytest.fixture(scope="module")
def template(postgres_server, make_template):
    return make_template(postgres_server)


async def test_a_message_that_came_before_is_not_sent_again_where_it_is_on_record(
    serve, receive, subscribe, publish, take_first, until, unacknowledged, pool, workspace
):
    """The ack of a replica was lost: its rows are there, and another replica gets the message."""
    first = await serve()
    receiver, new = await receive(), await receive()
    endpoint = await subscribe(receiver.url, ["task.*"])
    await first.stop()
    event = await publish()
    [message] = await take_first(1)
    await pool.execute(
        "INSERT INTO webhooks.deliveries"
        " (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status, attempts)"
        " VALUES ($1, $2, $1, $3, 'task.created', '', 'delivered', 1)",
        event,
        endpoint.id,
        workspace,
    )
    await message.nak()
    await serve()
    await subscribe(new.url, ["project.*"])
    other = await publish("project.created")
    await until(lambda: new.of(other))

    async def acknowledged():
        return await unacknowledged() == 0

    await until(acknowledged)
    assert receiver.requests == []


async def test_a_message_that_came_before_is_sent_where_nothing_is_on_record(
    serve, receive, subscribe, publish, settled, take_first
):
    first = await serve()
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    await first.stop()
    event = await publish()
    [message] = await take_first(1)
    await message.nak()
    await serve()
    await settled(endpoint, event, "delivered")
    assert receiver.ids() == [str(event)]


async def test_while_the_database_is_away_nothing_is_posted_and_then_everything_goes_out(
    serve, receive, subscribe, publish, until, unacknowledged, postgres_server, rows_of
):
    await serve()
    receiver = await receive()
    await subscribe(receiver.url)
    await publish()
    await until(lambda: len(receiver.requests) == 1)

    async def acknowledged():
        return await unacknowledged() == 0

    await until(acknowledged)
    await asyncio.to_thread(postgres_server.stop)
    events = [str(await publish()) for _ in range(50)]
    await asyncio.sleep(1.5)  # time enough to send, if it were allowed
    assert len(receiver.requests) == 1
    await asyncio.to_thread(postgres_server.start)
    await until(lambda: len(receiver.requests) >= 51, 20)
    await until(acknowledged)
    assert sorted(receiver.ids()[1:]) == sorted(events)

    async def recorded():
        return len(await rows_of("deliveries")) == 51

    await until(recorded)


async def test_results_that_cannot_be_recorded_wait_for_the_database_and_are_not_sent_again(
    serve, receive, subscribe, publish, until, unacknowledged, postgres_server, settled
):
    await serve()
    gate = asyncio.Event()

    async def behind_the_gate(_request):
        await gate.wait()
        return 200

    receiver = await receive(behind_the_gate)
    endpoint = await subscribe(receiver.url)
    events = [await publish() for _ in range(10)]
    await until(lambda: len(receiver.requests) == 10)
    await asyncio.to_thread(postgres_server.stop)
    gate.set()
    await asyncio.sleep(1.5)
    assert await unacknowledged() == 10
    await asyncio.to_thread(postgres_server.start)
    for event in events:
        await settled(endpoint, event, "delivered", 20)
    assert len(receiver.requests) == 10


async def test_a_replica_ends_in_time_while_the_database_is_away(
    serve, receive, subscribe, publish, until, postgres_server
):
    replica = await serve()
    receiver = await receive()
    await subscribe(receiver.url)
    await publish()
    await until(lambda: receiver.requests)
    await asyncio.to_thread(postgres_server.stop)
    try:
        await publish()
        await asyncio.sleep(0.5)
        async with asyncio.timeout(30):
            await replica.stop()
    finally:
        await asyncio.to_thread(postgres_server.start)
    assert len(receiver.requests) == 1


async def test_nats_may_go_and_come_back(serve, receive, subscribe, publish, until, nats_server, api):
    await serve()
    receiver = await receive()
    await subscribe(receiver.url)
    await publish()
    await until(lambda: len(receiver.requests) == 1)
    await asyncio.to_thread(nats_server.stop)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(nats_server.start)
    await until(lambda: api.client.is_connected)
    events = [str(await publish()) for _ in range(20)]
    await until(lambda: set(events) <= set(receiver.ids()), 20)
    assert sorted(receiver.ids()[1:]) == sorted(events)
