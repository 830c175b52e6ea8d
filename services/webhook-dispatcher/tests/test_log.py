"""What owners find out afterwards: attempts in full, deliveries by what they are of, how an endpoint has been doing."""

from datetime import timedelta
from uuid import uuid4

import pytest

from flowtask_contracts.commands import EraseEvent, GetDelivery, GetEndpointHealth, ListDeliveries, RetryDelivery
from flowtask_contracts.errors import Conflict, NotFound
from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.health.models import BOUNDS_MS, health_of, quantile


@pytest.fixture(autouse=True)
async def served(serve):
    return await serve(webhooks_timeout_seconds=1.5)


@pytest.fixture
def search(ask, workspace):
    async def page(**asked):
        return await ask(ListDeliveries(workspace_id=workspace, **asked))

    return page


async def test_an_attempt_is_on_record_in_full(receive, subscribe, publish, settled):
    receiver = await receive((500, {"X-Said": "no"}))
    endpoint = await subscribe(receiver.url, retry_policy="custom", retry_schedule=(1,))
    event = await publish()
    first, second = (await settled(endpoint, event, "failed")).attempt_log
    sent = {header.name.lower(): header.value for header in first.request_headers}
    assert sent["webhook-id"] == str(event)
    assert sent["x-flowtask-signature"] == receiver.requests[0].headers["x-flowtask-signature"]
    assert ("X-Said", "no") in [(header.name, header.value) for header in first.response_headers]
    assert (first.status_code, first.response_body, first.response_truncated) == (500, "body", False)
    assert (first.error, first.error_code) == (None, None)
    assert first.connect_ms is not None
    assert first.first_byte_ms is not None
    assert (second.connect_ms, second.tls_ms) == (None, None), "the connection was kept"
    assert len(first.trace_id) == 32


async def test_each_attempt_tells_when_the_next_one_is_made(receive, subscribe, publish, delivery, settled, until):
    receiver = await receive(lambda _request: 500 if len(receiver.requests) < 3 else 200)
    endpoint = await subscribe(receiver.url, retry_policy="custom", retry_schedule=(1, 3))
    event = await publish()

    async def waiting():
        found = await delivery(endpoint, event)
        return found if found is not None and found.attempts == 2 else None

    found = await until(waiting)
    first, second = found.attempt_log
    assert first.next_attempt_at == second.at
    assert second.next_attempt_at == found.next_attempt_at
    assert timedelta(seconds=3) <= second.next_attempt_at - second.at < timedelta(seconds=9)
    *_, second, third = (await settled(endpoint, event, "delivered")).attempt_log
    assert (second.next_attempt_at, third.next_attempt_at) == (third.at, None)


async def test_however_much_a_receiver_says_its_log_can_be_read_to_the_first_attempt(
    receive, subscribe, publish, settled, ask, workspace, sql
):
    """A reply of the bus has room for a megabyte; control characters take six bytes each in it."""
    receiver = await receive(404)
    endpoint = await subscribe(receiver.url)
    event = await publish(data={"title": "x", "description": "\x01" * 20_000})
    found = await settled(endpoint, event, "failed")
    await sql(
        "INSERT INTO webhooks.attempts (event_id, endpoint_id, attempt_no, trigger, at, duration_ms, response_headers,"
        " response_body) SELECT $1, $2, n, 'manual', now() + n * interval '1 s', 1, $3, $4"
        " FROM generate_series(2, 40) n",
        event,
        endpoint.id,
        b"X-Said: " + b"\xff" * 32_000,
        "\x01" * 16_384,
    )
    pages, before = [], None
    while before is None or pages[-1][0].number > 1:
        shown = await ask(GetDelivery(workspace_id=workspace, delivery_id=found.id, attempts_before=before))
        assert len(shown.model_dump_json(by_alias=True).encode()) < 700_000
        assert shown.payload["data"]["title"] == "x"
        pages.append(shown.attempt_log)
        assert shown.earlier_attempts == pages[-1][0].number - 1
        before = pages[-1][0].number
    log = [attempt for page in reversed(pages) for attempt in page]
    assert [attempt.number for attempt in log] == list(range(1, 41))
    assert [attempt.next_attempt_at for attempt in log] == [*(attempt.at for attempt in log[1:]), None]
    assert log[-1].response_body == "\x01" * 16_384


async def test_deliveries_are_found_by_resource_type_status_and_time(receive, subscribe, publish, settled, search):
    good, bad = await receive(200), await receive(404)
    one, other = await subscribe(good.url), await subscribe(bad.url)
    resource = str(uuid4())
    before = utc_now()
    event = await publish("task.updated")
    await settled(one, event, "delivered")
    await settled(other, event, "failed")
    found = (await search()).items
    assert {item.endpoint_id for item in found} == {one.id, other.id}
    assert {item.status for item in (await search(resource_id=found[0].resource_id)).items} == {"delivered", "failed"}
    assert (await search(resource_id=resource)).items == ()
    assert [item.endpoint_id for item in (await search(status="failed")).items] == [other.id]
    assert (await search(event="task.created")).items == ()
    assert len((await search(event="task.updated", since=before - timedelta(seconds=1))).items) == 2
    assert (await search(until=before - timedelta(minutes=1))).items == ()
    first = await search(limit=1)
    second = await search(limit=1, cursor=first.next_cursor)
    assert {first.items[0].endpoint_id, second.items[0].endpoint_id} == {one.id, other.id}
    assert second.next_cursor is None


async def test_an_erased_event_leaves_only_that_it_was(
    receive, subscribe, publish, delivery, until, ask, workspace, rows_of
):
    receiver = await receive(500)
    endpoint = await subscribe(receiver.url, retry_policy="long")
    event = await publish(data={"title": "Something private"})

    async def tried():
        found = await delivery(endpoint, event)
        return found if found is not None and found.attempts == 1 else None

    found = await until(tried)
    erase = {"command_id": new_id(), "event_id": event}
    with pytest.raises(NotFound):
        await ask(EraseEvent(workspace_id=uuid4(), **{**erase, "command_id": new_id()}))
    await ask(EraseEvent(workspace_id=workspace, **erase))
    found = await delivery(endpoint, event)
    assert (found.status, found.payload, found.next_attempt_at) == ("cancelled", None, None)
    assert found.attempt_log[0].response_body is None
    assert found.attempt_log[0].request_headers == ()
    assert await rows_of("due") == []
    assert b"private" not in (await rows_of("messages"))[0]["payload"]
    with pytest.raises(Conflict, match="was erased"):
        await ask(RetryDelivery(workspace_id=workspace, command_id=new_id(), delivery_id=found.id))


async def test_the_health_of_an_endpoint_tells_rates_and_times(
    receive, subscribe, publish, settled, ask, workspace, until
):
    receiver = await receive(lambda _request: 404 if len(receiver.requests) == 1 else 200)
    endpoint = await subscribe(receiver.url)
    await settled(endpoint, await publish(), "failed")
    for _ in range(3):
        await settled(endpoint, await publish(), "delivered")

    async def counted():
        health = await ask(GetEndpointHealth(workspace_id=workspace, endpoint_id=endpoint.id))
        return health if health.windows[0].attempts == 4 else None

    health = await until(counted)
    assert [window.window for window in health.windows] == ["1h", "24h", "7d"]
    for window in health.windows:
        assert (window.attempts, window.delivered, window.success_rate) == (4, 3, 0.75)
        assert 0 < window.p50_ms <= window.p95_ms < 1500
    assert health.circuit == "closed"


def test_without_attempts_nothing_is_made_up():
    health = health_of("1h", {})
    assert (health.attempts, health.success_rate, health.p50_ms, health.p95_ms) == (0, None, None, None)


@pytest.mark.parametrize(
    ("counts", "part", "expected"),
    [({3: 10}, 0.5, 7.5), ({0: 1}, 1.0, 1.0), ({2: 50, 5: 50}, 0.5, 5.0), ({2: 90, 5: 10}, 0.95, 35.0)],
)
def test_a_quantile_lies_even_within_its_bucket(counts, part, expected):
    assert quantile([counts.get(bucket, 0) for bucket in range(len(BOUNDS_MS))], part) == expected
