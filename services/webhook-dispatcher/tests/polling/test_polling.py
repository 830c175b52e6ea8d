"""Receivers that fetch their events: the same events and bodies, none lost, acknowledged by cursor."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from flowtask_contracts.commands import (
    DeleteEndpoint,
    EraseEvent,
    GetDelivery,
    GetEndpoint,
    PollEndpoint,
    RetryDelivery,
    SendTest,
    UpdateEndpoint,
)
from flowtask_contracts.errors import Conflict, NotFound, ValidationFailed
from flowtask_contracts.webhook_content import LARGEST_BODY
from flowtask_kit.bus.replies import REPLY_BYTES
from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.deliveries.identity import delivery_id, first_id_of
from flowtask_webhook_dispatcher.dispatch import statements
from flowtask_webhook_dispatcher.polling.cursors import cursor_at
from flowtask_webhook_dispatcher.polling.jobs import CANCELLING


@pytest.fixture
def subscribe_to_poll(subscribe):
    async def make(events=("*",), **more):
        return await subscribe(None, events, delivery="poll", **more)

    return make


@pytest.fixture
def poll(ask, workspace):
    async def asking(endpoint, cursor=None, **more):
        named = {"workspace_id": workspace, "endpoint_id": endpoint.id, "cursor": cursor, **more}
        return await ask(PollEndpoint(**named))

    return asking


@pytest.fixture
def shelved(sql, until):
    """Wait until so many deliveries of an endpoint are on record."""

    async def wait(endpoint, number):
        async def there():
            rows = await sql("SELECT count(*) FROM webhooks.deliveries WHERE endpoint_id = $1", endpoint.id)
            return rows[0][0] == number

        await until(there)

    return wait


def ids(page):
    return [item.id for item in page.items]


async def test_what_is_polled_is_what_would_be_sent_and_nothing_is_sent(
    serve, receive, subscribe, subscribe_to_poll, publish, poll, shelved, rows_of, settled
):
    await serve()
    receiver = await receive()
    pushed = await subscribe(receiver.url)
    polled = await subscribe_to_poll(["task.*"], filter={"path": "data.priority", "eq": "HIGH"})
    thin = await subscribe_to_poll(payload="thin")
    assert (polled.url, polled.delivery, pushed.delivery) == (None, "poll", "push")
    changes = {"title": {"from": "a", "to": "b"}}
    wanted = await publish("task.updated", data={"priority": "HIGH"}, changes=changes)
    await publish("task.updated", data={"priority": "LOW"}, changes=changes)
    await publish("project.created", data={"priority": "HIGH"})
    await shelved(thin, 3)
    await settled(pushed, wanted, "delivered")

    [event] = (await poll(polled)).items
    [sent] = receiver.of(wanted)
    assert (event.id, event.event) == (wanted, "task.updated")
    assert event.delivery_id == delivery_id(wanted, polled.id)
    assert event.payload == {**sent.document, "deliveryId": str(event.delivery_id)}
    assert {item.payload["payload"] for item in (await poll(thin)).items} == {"thin"}
    assert len(receiver.requests) == 3
    assert (await rows_of("due"), {row["endpoint_id"] for row in await rows_of("attempts")}) == ([], {pushed.id})


async def test_a_cursor_acknowledges_what_came_before_it_and_an_older_one_brings_the_same_again(
    serve, subscribe_to_poll, publish, poll, shelved, deliveries
):
    await serve()
    endpoint = await subscribe_to_poll()

    async def statuses():
        return [item.status for item in reversed(await deliveries(endpoint, limit=100))]

    nothing = await poll(endpoint)
    assert (nothing.items, nothing.has_more) == ((), False)
    sent = [await publish() for _ in range(5)]
    await shelved(endpoint, 5)
    first = await poll(endpoint, nothing.next_cursor, limit=2)
    assert (ids(first), first.has_more) == (sent[:2], True)
    assert await statuses() == ["pending"] * 5
    assert await poll(endpoint, limit=2) == first  # the receiver has crashed and forgot its cursor
    assert await poll(endpoint, nothing.next_cursor, limit=2) == first
    second = await poll(endpoint, first.next_cursor, limit=2)
    assert ids(second) == sent[2:4]
    assert await statuses() == ["delivered"] * 2 + ["pending"] * 3
    third = await poll(endpoint, second.next_cursor)
    assert (ids(third), third.has_more) == (sent[4:], False)
    end = await poll(endpoint, third.next_cursor)
    assert (end.items, end.next_cursor) == ((), third.next_cursor)
    assert await statuses() == ["delivered"] * 5
    assert (await poll(endpoint)).items == ()
    assert await poll(endpoint, first.next_cursor, limit=2) == second
    assert await statuses() == ["delivered"] * 5


async def test_what_commits_late_comes_later_and_is_not_missed(
    serve, subscribe_to_poll, publish, poll, shelved, pool, workspace, cloud_event, deliveries
):
    """A replica whose batch takes long, while others record what has happened since, and all of that is fetched."""
    await serve()
    endpoint = await subscribe_to_poll()
    late = first_id_of(utc_now() - timedelta(seconds=30))
    message = (late, workspace, "task.created", "r", 1, cloud_event(event_id=late))
    row = ([late], [endpoint.id], [delivery_id(late, endpoint.id)], [workspace], ["task.created"], ["r"])
    async with pool.acquire() as slow, slow.transaction():
        await slow.execute(statements.MESSAGES, [message])
        await slow.execute(statements.SHELVE, *row)
        early = [await publish() for _ in range(3)]
        await shelved(endpoint, 3)
        page = await poll(endpoint)
        assert ids(page) == early
        page = await poll(endpoint, page.next_cursor)
        assert page.items == ()
        assert [item.status for item in await deliveries(endpoint)] == ["delivered"] * 3
    after = await poll(endpoint, page.next_cursor)
    assert ids(after) == [late]
    assert (await poll(endpoint, after.next_cursor)).items == ()


async def test_two_dispatchers_and_many_writers_lose_nothing_and_hand_out_nothing_twice(
    serve, subscribe_to_poll, publish, poll
):
    await serve()
    await serve()
    endpoint = await subscribe_to_poll()
    sent, fetched = set(), []
    writing = asyncio.Event()

    async def write():
        for _ in range(100):
            sent.add(await publish())

    async def fetch():
        cursor = None
        while not (writing.is_set() and len(fetched) >= len(sent)):
            page = await poll(endpoint, cursor, limit=7)
            fetched.extend(ids(page))
            cursor = page.next_cursor
        return await poll(endpoint, cursor)

    fetching = asyncio.create_task(fetch())
    await asyncio.gather(*(write() for _ in range(5)))
    writing.set()
    last = await asyncio.wait_for(fetching, 60)
    assert (len(fetched), set(fetched)) == (500, sent)
    assert last.items == ()


async def test_a_dispatcher_that_is_killed_loses_nothing(spawn, subscribe_to_poll, publish, poll):
    first = await spawn()
    endpoint = await subscribe_to_poll()
    sent = {await publish() for _ in range(50)}
    first.kill()
    sent |= {await publish() for _ in range(50)}
    await spawn()
    fetched, cursor = [], None
    async with asyncio.timeout(60):
        while len(set(fetched)) < len(sent):
            page = await poll(endpoint, cursor)
            fetched.extend(ids(page))
            cursor = page.next_cursor
    assert (set(fetched), len(fetched)) == (sent, 100)


async def test_polls_at_the_same_time_give_no_place_twice(serve, subscribe_to_poll, publish, poll, shelved, sql):
    await serve()
    endpoint = await subscribe_to_poll()
    for _ in range(40):
        await publish()
    await shelved(endpoint, 40)
    pages = await asyncio.gather(*(poll(endpoint, limit=10) for _ in range(20)))
    assert len({tuple(ids(page)) for page in pages}) == 1
    await poll(endpoint, limit=100)
    places = [row["place"] for row in await sql("SELECT place FROM webhooks.deliveries ORDER BY event_id")]
    assert sorted(places) == list(range(1, 41))


async def test_a_cursor_that_is_not_of_this_webhook_is_refused_and_acknowledges_nothing(
    serve, subscribe_to_poll, publish, poll, shelved, deliveries
):
    await serve()
    endpoint, other = await subscribe_to_poll(), await subscribe_to_poll()
    await publish()
    await shelved(endpoint, 1)
    await shelved(other, 1)
    page = await poll(other)
    await poll(endpoint)
    ahead = cursor_at(endpoint.id, 2)  # from before the database was restored
    for cursor in (page.next_cursor, "what", "", "=", ahead, ahead[:-1], cursor_at(endpoint.id, 1)[4:]):
        with pytest.raises(ValidationFailed) as refusal:
            await poll(endpoint, cursor)
        assert [detail.field for detail in refusal.value.details] == ["cursor"]
    assert [item.status for item in await deliveries(endpoint)] == ["pending"]
    assert (await poll(endpoint, cursor_at(endpoint.id, 1))).items == ()


async def test_pages_end_before_a_reply_is_too_large(serve, subscribe_to_poll, publish, poll, shelved):
    await serve()
    endpoint = await subscribe_to_poll()
    sent = [await publish(data={"text": "\N{SNOWMAN}" * (LARGEST_BODY // 3 - 400)}) for _ in range(3)]
    sent.append(await publish(data={"text": "x" * (LARGEST_BODY + 10)}))
    sent += [await publish(data={"text": "x" * 20_000}) for _ in range(30)]
    await shelved(endpoint, 34)
    fetched, cursor, more = [], None, True
    while more:
        page = await poll(endpoint, cursor, limit=100)
        assert page.items
        assert len(page.model_dump_json(by_alias=True).encode()) < REPLY_BYTES
        fetched += ids(page)
        cursor, more = page.next_cursor, page.has_more
    assert fetched == sent


async def test_what_is_erased_is_not_handed_out_and_what_is_retried_is_handed_out_again(
    serve, subscribe_to_poll, publish, poll, shelved, ask, workspace, deliveries
):
    await serve()
    endpoint = await subscribe_to_poll()
    first, erased, last = [await publish() for _ in range(3)]
    await shelved(endpoint, 3)
    await ask(EraseEvent(workspace_id=workspace, command_id=new_id(), event_id=erased))
    page = await poll(endpoint)
    assert ids(page) == [first, last]
    assert (await poll(endpoint, page.next_cursor)).items == ()
    retry = RetryDelivery(workspace_id=workspace, command_id=new_id(), delivery_id=delivery_id(first, endpoint.id))
    assert (await ask(retry)).status == "delivered"
    again = await poll(endpoint, page.next_cursor)
    assert ids(again) == [first]
    assert (await poll(endpoint, again.next_cursor)).items == ()
    assert [item.status for item in await deliveries(endpoint)] == ["delivered", "cancelled", "delivered"]
    shown = await ask(GetDelivery(workspace_id=workspace, delivery_id=retry.delivery_id))
    assert (shown.attempt_log, shown.payload["id"]) == ((), str(first))


async def test_who_may_be_polled(serve, receive, subscribe, subscribe_to_poll, poll, ask, workspace):
    await serve()
    receiver = await receive()
    pushed, polled = await subscribe(receiver.url), await subscribe_to_poll()
    with pytest.raises(Conflict, match="is sent its events"):
        await poll(pushed)
    with pytest.raises(Conflict, match="nothing is sent"):
        await ask(SendTest(workspace_id=workspace, command_id=new_id(), endpoint_id=polled.id))
    for asked in (poll(polled, workspace_id=uuid4()), ask(PollEndpoint(workspace_id=workspace, endpoint_id=uuid4()))):
        with pytest.raises(NotFound):
            await asked
    for asked in (
        subscribe(None),
        subscribe(receiver.url, delivery="poll"),
        ask(UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=polled.id, url=receiver.url)),
    ):
        with pytest.raises(ValidationFailed) as refusal:
            await asked
        assert [detail.field for detail in refusal.value.details] == ["url"]
    with pytest.raises(ValidationFailed) as refusal:
        await subscribe_to_poll(ordering="resource")
    assert [detail.field for detail in refusal.value.details] == ["ordering"]
    change = UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=polled.id, active=False)
    await ask(change)
    shown = await ask(GetEndpoint(workspace_id=workspace, endpoint_id=polled.id))
    assert (shown.url, shown.active, shown.missed) == (None, False, None)
    assert (await poll(polled)).items == ()


async def test_what_waits_for_a_deleted_webhook_is_cancelled(
    serve, subscribe_to_poll, publish, poll, shelved, ask, workspace, deliveries
):
    running = await serve()
    endpoint = await subscribe_to_poll()
    await publish()
    await shelved(endpoint, 1)
    await ask(DeleteEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id))
    with pytest.raises(NotFound):
        await poll(endpoint)
    await CANCELLING.run(running.app.state.resources, utc_now())
    assert [item.status for item in await deliveries(endpoint)] == ["cancelled"]
