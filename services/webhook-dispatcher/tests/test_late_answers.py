"""What is said of an event after it was erased: nothing of it comes back, and nobody stumbles over it."""

import asyncio

import pytest

from flowtask_contracts.commands import EraseEvent
from flowtask_contracts.errors import NotFound
from flowtask_kit.ids import new_id

SECRET = "Something private"


@pytest.fixture
def erase(ask, workspace):
    async def tell(event):
        return await ask(EraseEvent(workspace_id=workspace, command_id=new_id(), event_id=event))

    return tell


@pytest.fixture
def content(sql):
    """What is kept of all attempts beside the bare facts."""

    async def read():
        rows = await sql("SELECT request_headers, response_headers, response_body FROM webhooks.attempts")
        return [value for row in rows for value in row if value is not None]

    return read


@pytest.mark.parametrize("held", [False, True], ids=["at once", "after it became a due row"])
@pytest.mark.parametrize(("answer", "status"), [(200, "delivered"), (500, "cancelled"), (404, None)])
async def test_an_answer_that_comes_after_the_erasure_is_on_record_without_content(
    serve, receive, subscribe, publish, settled, delivery, until, rows_of, erase, content, answer, status, held
):
    await serve()
    answering = asyncio.Event()

    async def late(request):
        if SECRET.encode() in request.body:
            await answering.wait()
            return answer, {"X-Echo": SECRET}
        return 200

    quick, slow = await receive(), await receive(late)
    seen, waiting = await subscribe(quick.url), await subscribe(slow.url)
    event = await publish(data={"title": SECRET})
    await until(lambda: slow.requests)
    await until(lambda: rows_of("due") if held else rows_of("messages"))
    await erase(event)
    answering.set()
    if status is None:  # without a row there was nothing to settle; with one, nothing was left to
        found = await until(lambda: delivery(waiting, event))
        assert found.status in {"failed", "cancelled"}
    else:
        found = await settled(waiting, event, status)
    after = [await publish() for _ in range(3)]
    for endpoint in (seen, waiting):
        for each in after:
            await settled(endpoint, each, "delivered")
    assert (found.payload, found.next_attempt_at) == (None, None)
    for attempt in (await delivery(waiting, event)).attempt_log:
        assert (attempt.request_headers, attempt.response_headers, attempt.response_body) == ((), (), None)
    assert SECRET.encode() not in b"".join(each for each in await content() if isinstance(each, bytes))
    assert await rows_of("due") == []
    assert len(slow.of(event)) == 1


async def test_a_transaction_that_had_begun_before_brings_nothing_back_for_long(
    serve, receive, subscribe, publish, until, rows_of, sql, pool, erase
):
    """A replica writes an answer down and is held up before its commit; meanwhile the event is erased."""
    await serve()
    answering = asyncio.Event()

    async def late(_request):
        await answering.wait()
        return 204, {"X-Echo": SECRET, "webhook-delivery": "disable"}

    quick, slow = await receive(), await receive(late)
    await subscribe(quick.url)
    endpoint = await subscribe(slow.url)
    event = await publish(data={"title": SECRET})
    await until(lambda: rows_of("messages"))
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("SELECT FROM webhooks.endpoints WHERE id = $1 FOR UPDATE", endpoint.id)
        answering.set()
        waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'flowtask-webhook-dispatch'"
        await until(lambda: sql(f"{waiting} AND wait_event_type = 'Lock'"))
        await erase(event)
        [before] = [row for row in await rows_of("attempts") if row["endpoint_id"] != endpoint.id]
        assert before["request_headers"] is None

    async def recorded():
        return [row for row in await rows_of("attempts") if row["endpoint_id"] == endpoint.id]

    [attempt] = await until(recorded)

    async def looked_again():
        return (await rows_of("erased_events"))[0]["finished_at"]

    await until(looked_again)
    [attempt] = await recorded()
    assert (attempt["status_code"], attempt["response_headers"], attempt["request_headers"]) == (204, None, None)


async def test_a_message_that_comes_again_after_its_erasure_is_not_sent(
    serve, receive, subscribe, publish, take_first, until, unacknowledged, erase, pool, workspace
):
    """A replica died with the message of an event that another endpoint's row had on record already."""
    first = await serve()
    receiver = await receive()
    await subscribe(receiver.url)
    await first.stop()
    event = await publish()
    [message] = await take_first(1)
    await pool.execute(
        "INSERT INTO webhooks.messages (event_id, workspace_id, type, resource_id, stream_seq, payload)"
        " VALUES ($1, $2, 'task.created', '', 1, $3)",
        event,
        workspace,
        message.data,
    )
    await serve()
    await erase(event)
    await message.nak()
    other = await publish()
    await until(lambda: receiver.of(other))

    async def acknowledged():
        return await unacknowledged() == 0

    await until(acknowledged)
    assert receiver.of(event) == []


async def test_what_became_due_while_its_event_was_being_erased_is_cancelled_and_holds_nothing_up(
    serve, receive, subscribe, publish, settled, rows_of, erase, sql
):
    replica = await serve()
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    event = await publish()
    await settled(endpoint, event, "delivered")
    await erase(event)
    await replica.stop()
    await sql("UPDATE webhooks.deliveries SET status = 'pending'")
    await sql(
        "INSERT INTO webhooks.due (delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at)"
        " SELECT delivery_id, event_id, endpoint_id, 1, now() FROM webhooks.deliveries"
    )
    await serve()
    await settled(endpoint, event, "cancelled")
    young = await publish()
    await settled(endpoint, young, "delivered")
    assert await rows_of("due") == []
    assert len(receiver.requests) == 2


async def test_an_event_that_is_not_on_record_cannot_be_erased_yet(serve, erase):
    await serve()
    with pytest.raises(NotFound):
        await erase(new_id())
