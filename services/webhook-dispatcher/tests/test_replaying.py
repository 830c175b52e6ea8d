"""Replays by the real service: what is sent again, to whom, how it is counted, and what it never touches."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest

from flowtask_contracts.commands import (
    CancelReplay,
    CountReplay,
    DeleteEndpoint,
    EraseEvent,
    GetEndpoint,
    GetReplay,
    ListReplays,
    RetryDelivery,
    StartReplay,
    UpdateEndpoint,
)
from flowtask_contracts.errors import Conflict, NotFound, ValidationFailed
from flowtask_kit.ids import new_id, utc_now

QUICK = {"webhooks_breaker_seconds": 0.6, "webhooks_timeout_seconds": 1.5}
DAY = timedelta(days=1)
ONCE = {"retry_policy": "custom", "retry_schedule": (1,)}


@pytest.fixture
def plan(ask, workspace):
    async def count(endpoint, **more):
        named = {"since": utc_now() - DAY, **more}
        return await ask(CountReplay(workspace_id=workspace, endpoint_id=endpoint.id, **named))

    return count


@pytest.fixture
def replay(ask, workspace):
    async def start(endpoint, **more):
        named = {"since": utc_now() - DAY, **more}
        return await ask(StartReplay(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, **named))

    return start


@pytest.fixture
def seen(ask, workspace):
    async def get(replay):
        return await ask(GetReplay(workspace_id=workspace, replay_id=replay.id))

    return get


@pytest.fixture
def ended(seen, until):
    async def wait(replay, status="completed", limit=60.0):
        async def over():
            found = await seen(replay)
            assert found.total == found.delivered + found.failed + found.skipped + found.remaining
            return found if found.status == status else None

        return await until(over, limit)

    return wait


@pytest.fixture
def cancel(ask, workspace):
    return lambda replay: ask(CancelReplay(workspace_id=workspace, command_id=new_id(), replay_id=replay.id))


@pytest.fixture
def update(ask, workspace):
    async def change(endpoint, **more):
        return await ask(UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, **more))

    return change


@pytest.fixture
def remember(pool, workspace, cloud_event):
    """Events of an hour ago as they are on record, with deliveries of a status to an endpoint, or without any."""

    async def make(endpoint, number, status=None, kind="task.created", age=timedelta(hours=1), **more):
        from flowtask_webhook_dispatcher.deliveries.identity import delivery_id, first_id_of  # noqa: PLC0415

        begin = first_id_of(utc_now() - age).int
        events = [
            type(new_id())(int=begin | (0x7 << 76) | (0x2 << 62) | uuid4().int & (1 << 60) - 1) for _ in range(number)
        ]
        await pool.execute(
            "INSERT INTO webhooks.messages (event_id, workspace_id, type, resource_id, stream_seq, payload)"
            " SELECT e, $1, $4, 'r', 1, p FROM unnest($2::uuid[], $3::bytea[]) AS r(e, p)",
            workspace,
            events,
            [cloud_event(kind, event_id=event, **more) for event in events],
            kind,
        )
        if status is not None:
            await pool.execute(
                "INSERT INTO webhooks.deliveries (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id,"
                " status, attempts, last_attempt_at, last_status_code)"
                " SELECT e, $1, d, $2, $5, 'r', $6::text, 4, now(), CASE WHEN $6::text = 'delivered' THEN 200 ELSE 500 END"
                " FROM unnest($3::uuid[], $4::uuid[]) AS r(e, d)",
                endpoint.id,
                workspace,
                events,
                [delivery_id(event, endpoint.id) for event in events],
                kind,
                status,
            )
        return events

    return make


async def test_what_failed_is_sent_again_as_it_was_and_adds_to_its_delivery(
    serve, receive, subscribe, publish, settled, plan, replay, ended
):
    await serve(**QUICK)
    well = asyncio.Event()
    receiver = await receive(lambda _request: 200 if well.is_set() else 400)
    endpoint = await subscribe(receiver.url)
    events = [await publish() for _ in range(3)]
    before = [await settled(endpoint, event, "failed") for event in events]
    well.set()
    planned = await plan(endpoint)
    assert (planned.id, planned.status, planned.total, planned.total_capped) == (None, "planned", 3, False)
    begun = await replay(endpoint, statuses=("failed",))
    assert (begun.total, begun.done, begun.remaining) == (3, 0, 3)
    over = await ended(begun)
    assert (over.delivered, over.failed, over.skipped, over.remaining) == (3, 0, 0, 0)
    for event, was in zip(events, before, strict=True):
        now = await settled(endpoint, event, "delivered")
        assert now.id == was.id
        assert [attempt.trigger for attempt in now.attempt_log] == ["schedule", "replay"]
        first, again = receiver.of(event)
        assert first.body == again.body
        assert first.headers["x-flowtask-delivery"] == again.headers["x-flowtask-delivery"]
    assert (await plan(endpoint, statuses=("failed", "missing"))).total == 0


async def test_what_never_became_a_delivery_is_made_one_if_it_matches(
    serve, receive, subscribe, settled, remember, plan, replay, ended
):
    await serve(**QUICK)
    receiver, other = await receive(), await receive()
    endpoint = await subscribe(
        receiver.url, ("task.*",), filter={"path": "data.priority", "eq": "HIGH"}, retry_policy="long"
    )
    await subscribe(other.url)
    await remember(endpoint, 4, kind="task.created", data={"priority": "LOW"})
    await remember(endpoint, 2, kind="project.created", data={"priority": "HIGH"})
    wanted = await remember(endpoint, 5, kind="task.updated", data={"priority": "HIGH"})
    assert (await plan(endpoint, statuses=("missing",))).total == 5
    assert (await plan(endpoint, statuses=("missing",), events=("task.created",))).total == 0
    over = await ended(await replay(endpoint, statuses=("missing",)))
    assert (over.total, over.delivered) == (5, 5)
    assert sorted(receiver.ids()) == sorted(map(str, wanted))
    assert other.requests == []
    found = await settled(endpoint, wanted[0], "delivered")
    assert [attempt.trigger for attempt in found.attempt_log] == ["replay"]


async def test_what_is_delivered_stays_delivered_whatever_its_replay_comes_to(
    serve, receive, subscribe, publish, settled, replay, ended
):
    await serve(**QUICK)
    gone = asyncio.Event()
    receiver = await receive(lambda _request: 404 if gone.is_set() else 200)
    endpoint = await subscribe(receiver.url)
    event = await publish()
    await settled(endpoint, event, "delivered")
    gone.set()
    over = await ended(await replay(endpoint, statuses=("delivered",)))
    assert (over.total, over.delivered, over.failed) == (1, 0, 1)
    found = await settled(endpoint, event, "delivered")
    assert [attempt.status_code for attempt in found.attempt_log] == [200, 404]


async def test_only_the_asked_for_span_types_and_states_are_replayed(
    serve, receive, subscribe, remember, plan, replay, ended
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    for status, number in (("failed", 3), ("expired", 2), ("cancelled", 1), ("delivered", 7)):
        await remember(endpoint, number, status)
    await remember(endpoint, 4, "failed", "project.updated")
    totals = {status: (await plan(endpoint, statuses=(status,))).total for status in ("failed", "expired", "cancelled")}
    assert totals == {"failed": 7, "expired": 2, "cancelled": 1}
    assert (await plan(endpoint)).total == 10
    assert (await plan(endpoint, events=("project.*",))).total == 4
    assert (await plan(endpoint, until=utc_now() - timedelta(hours=2))).total == 0
    assert (await plan(endpoint, since=utc_now() - timedelta(minutes=30))).total == 0
    over = await ended(await replay(endpoint, statuses=("failed", "cancelled"), events=("task.created",)))
    assert (over.total, over.delivered, len(receiver.requests)) == (4, 4, 4)


async def test_erased_events_are_skipped_and_counted(
    serve, receive, subscribe, remember, replay, ended, ask, workspace
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    events = await remember(endpoint, 5, "failed")
    for event in events[:2]:
        await ask(EraseEvent(workspace_id=workspace, command_id=new_id(), event_id=event))
    over = await ended(await replay(endpoint, statuses=("failed",)))
    assert (over.total, over.delivered, over.failed, over.skipped) == (5, 3, 0, 2)
    assert sorted(receiver.ids()) == sorted(map(str, events[2:]))


async def test_a_cancelled_replay_stops_at_once_and_leaves_what_waited_as_it_was(
    serve, receive, subscribe, remember, replay, cancel, ended, until, sql, plan
):
    await serve(**QUICK)

    async def slowly(_request):
        await asyncio.sleep(0.05)
        return 200

    receiver = await receive(slowly)
    endpoint = await subscribe(receiver.url)
    failed = set(map(str, await remember(endpoint, 600, "failed")))
    await remember(endpoint, 400)
    begun = await replay(endpoint)
    assert begun.total == 1000
    await until(lambda: len(receiver.requests) >= 50)
    assert await sql("SELECT count(*) <= 200 AS few FROM webhooks.due") == [(True,)]
    await cancel(begun)
    over = await ended(begun, "cancelled")
    sent = len(receiver.requests)
    assert (over.delivered, over.remaining) == (sent, 1000 - sent)
    assert (await cancel(begun)).status == "cancelled"
    assert await sql("SELECT FROM webhooks.due") == []
    assert await sql("SELECT FROM webhooks.replay_items") == []
    rows = await sql("SELECT status FROM webhooks.deliveries")
    assert Counter(row["status"] for row in rows) == {
        "delivered": sent,
        "failed": 600 - len(failed & set(receiver.ids())),
    }
    assert (await plan(endpoint)).total == 1000 - sent
    assert len(receiver.requests) == sent


async def test_one_replay_of_an_endpoint_at_a_time(serve, receive, subscribe, remember, replay, cancel, ended):
    await serve(**QUICK)
    hold = asyncio.Event()

    async def answer(_request):
        await hold.wait()
        return 200

    receiver = await receive(answer)
    endpoint = await subscribe(receiver.url)
    await remember(endpoint, 30, "failed")
    begun = await replay(endpoint)
    with pytest.raises(Conflict) as refused:
        await replay(endpoint)
    assert str(begun.id) in refused.value.details[0].message
    hold.set()
    await ended(begun)
    with pytest.raises(Conflict):
        await cancel(begun)


async def test_a_webhook_that_is_off_is_not_replayed_to_and_one_turned_off_is_waited_for(
    serve, receive, subscribe, remember, replay, plan, update, seen, ended, until
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url, rate_limit=20)
    await remember(endpoint, 60, "failed")
    await update(endpoint, active=False)
    assert (await plan(endpoint)).total == 60
    with pytest.raises(Conflict) as refused:
        await replay(endpoint)
    assert "`active`" in refused.value.message
    await update(endpoint, active=True)
    begun = await replay(endpoint)
    await until(lambda: receiver.requests)
    await update(endpoint, active=False)

    async def waiting():
        return (await seen(begun)).waiting_for == "webhook"

    await until(waiting)
    await update(endpoint, active=True)
    assert (await ended(begun)).delivered == 60


async def test_a_replay_whose_last_delivery_ends_the_webhook_is_completed(
    serve, receive, subscribe, remember, replay, ended
):
    await serve(**QUICK)
    receiver = await receive(410)
    endpoint = await subscribe(receiver.url)
    await remember(endpoint, 1, "failed")
    over = await ended(await replay(endpoint))
    assert (over.failed, over.remaining) == (1, 0)


async def test_a_replay_that_rests_goes_on_when_its_webhook_is_on_again(
    serve, receive, subscribe, remember, replay, update, until, sql, ended, pool
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url, rate_limit=20)
    await remember(endpoint, 250, "failed")
    begun = await replay(endpoint)
    await until(lambda: receiver.requests)
    await update(endpoint, active=False)
    await pool.execute("UPDATE webhooks.endpoints SET updated_at = now() - interval '1 hour'")
    resting = "SELECT FROM webhooks.replays WHERE due_at > now() + interval '14 s'"
    await until(lambda: sql(resting))
    await update(endpoint, active=True, rate_limit=None)
    await until(lambda: sql("SELECT FROM webhooks.replays WHERE due_at < now() + interval '3 s'"), 5)
    assert (await ended(begun)).delivered == 250


async def test_what_was_retried_by_hand_meanwhile_keeps_no_replay_from_being_cancelled(
    serve, receive, subscribe, remember, replay, cancel, update, ask, workspace, ended, until, sql
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url, rate_limit=1, rate_period_seconds=60)
    await remember(endpoint, 20, "failed")
    begun = await replay(endpoint)
    await until(lambda: receiver.requests)
    await update(endpoint, active=False)
    waiting = await until(lambda: sql("SELECT delivery_id FROM webhooks.due WHERE lease_until <= now()"))
    command = RetryDelivery(workspace_id=workspace, command_id=new_id(), delivery_id=waiting[0]["delivery_id"])
    await ask(command)
    await cancel(begun)
    over = await ended(begun, "cancelled", 5)
    assert (over.delivered, over.remaining) == (1, 19)
    assert await sql("SELECT trigger FROM webhooks.due") == [("manual",)]
    await update(endpoint, active=True, rate_limit=None)
    await until(lambda: len(receiver.requests) == 2)


async def test_a_replay_keeps_to_the_rate_and_waits_for_the_circuit(
    serve, receive, subscribe, remember, replay, ended, seen, until
):
    await serve(**QUICK)
    well = asyncio.Event()
    receiver = await receive(lambda _request: 200 if well.is_set() else 503)
    endpoint = await subscribe(receiver.url, rate_limit=20, rate_period_seconds=1)
    await remember(endpoint, 60, "failed")
    begun = await replay(endpoint)

    async def held():
        return (await seen(begun)).waiting_for == "circuit"

    await until(held)
    tried = len(receiver.requests)
    assert tried <= 12
    well.set()
    over = await ended(begun)
    assert over.delivered + over.failed == 60
    assert over.failed <= 12
    times = [request.at for request in receiver.requests]
    assert all(last - first >= 0.93 for first, last in zip(times, times[20:], strict=False))


async def test_a_deleted_webhook_ends_its_replay(serve, receive, subscribe, remember, replay, ended, ask, workspace):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url, rate_limit=5)
    await remember(endpoint, 100, "failed")
    begun = await replay(endpoint)
    await ask(DeleteEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id))
    over = await ended(begun, "cancelled")
    assert over.remaining > 0


async def test_the_replays_of_others_are_not_there(serve, receive, subscribe, remember, replay, ask, ended):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    await remember(endpoint, 1, "failed")
    first = await replay(endpoint)
    await ended(first)
    second = await replay(endpoint, statuses=("delivered",))
    await ended(second)
    assert (await ask(ListReplays(workspace_id=uuid4()))).items == ()
    for command in (GetReplay, CancelReplay):
        with pytest.raises(NotFound):
            await ask(command(workspace_id=uuid4(), command_id=new_id(), replay_id=first.id))
    with pytest.raises(NotFound):
        await ask(ListReplays(workspace_id=uuid4(), endpoint_id=endpoint.id))


async def test_replays_are_listed_newest_first(serve, receive, subscribe, replay, ask, ended, workspace):
    await serve(**QUICK)
    receiver = await receive()
    endpoint, other = await subscribe(receiver.url), await subscribe(receiver.url)
    both = (endpoint, other, endpoint)
    ids = [(await ended(await replay(each, statuses=("delivered",)))).id for each in both]
    page = await ask(ListReplays(workspace_id=workspace, limit=2))
    assert [each.id for each in page.items] == [ids[2], ids[1]]
    rest = await ask(ListReplays(workspace_id=workspace, limit=2, cursor=page.next_cursor))
    assert ([each.id for each in rest.items], rest.next_cursor) == ([ids[0]], None)
    of_one = await ask(ListReplays(workspace_id=workspace, endpoint_id=endpoint.id))
    assert [each.id for each in of_one.items] == [ids[2], ids[0]]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"since": None}, "since"),
        ({"since": utc_now() + DAY}, "since"),
        ({"since": utc_now(), "until": utc_now() - DAY}, "since"),
        ({"events": ("task.created", "tusk.*")}, "events"),
        ({"since": None, "recovery": True}, "since"),
    ],
)
async def test_what_is_wrong_with_a_replay_is_told_with_its_place(serve, subscribe, plan, replay, wrong, field):
    await serve(**QUICK)
    endpoint = await subscribe("http://127.0.0.1:1/")
    for ask_for in (plan, replay):
        with pytest.raises(ValidationFailed) as refused:
            await ask_for(endpoint, **wrong)
        assert refused.value.details[0].field == field


async def test_a_recovery_sends_what_came_while_the_webhook_was_off(
    serve, receive, subscribe, publish, settled, unacknowledged, update, replay, plan, ended, until, remember
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    before = await publish()
    await settled(endpoint, before, "delivered")
    await update(endpoint, active=False)
    missed = [await publish() for _ in range(5)]

    async def all_taken():
        return await unacknowledged() == 0

    await until(all_taken)
    assert (await plan(endpoint, recovery=True, since=None)).total == 5
    await update(endpoint, active=True)
    after = await publish()
    await settled(endpoint, after, "delivered")
    await remember(endpoint, 2, "cancelled", age=timedelta(seconds=0.1))  # somebody did not want these any more
    over = await ended(await replay(endpoint, recovery=True, since=None))
    assert (over.total, over.delivered) == (5, 5)
    assert sorted(receiver.ids()) == sorted(map(str, (before, *missed, after)))
    with pytest.raises(ValidationFailed):
        await plan(endpoint, recovery=True, since=None)


async def test_what_a_recovery_was_not_asked_for_is_still_offered(
    serve, receive, subscribe, publish, unacknowledged, update, replay, ended, until, ask, workspace
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    await update(endpoint, active=False)

    async def all_taken():
        return await unacknowledged() == 0

    first = await publish()
    await until(all_taken)
    between = utc_now()
    second = await publish()
    await until(all_taken)
    await update(endpoint, active=True)

    over = await ended(await replay(endpoint, recovery=True, since=None, until=between))
    assert (over.total, over.delivered) == (1, 1)
    assert receiver.ids() == [str(first)]
    seen = await ask(GetEndpoint(workspace_id=workspace, endpoint_id=endpoint.id))
    assert seen.missed.since == over.until
    await ended(await replay(endpoint, recovery=True, since=None))
    assert set(receiver.ids()) == {str(first), str(second)}
    assert (await ask(GetEndpoint(workspace_id=workspace, endpoint_id=endpoint.id))).missed is None


async def test_what_was_missed_before_anything_that_is_kept_is_not_offered_again(
    serve, receive, subscribe, remember, update, replay, ended, ask, workspace, pool
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    await remember(endpoint, 3)
    await update(endpoint, active=False)
    await update(endpoint, active=True)
    await pool.execute("UPDATE webhooks.endpoint_state SET missed_since = now() - interval '40 days'")
    over = await ended(await replay(endpoint, recovery=True, since=None))
    assert over.delivered == 3
    assert (await ask(GetEndpoint(workspace_id=workspace, endpoint_id=endpoint.id))).missed is None


async def test_a_replay_whose_webhook_stays_off_ends_when_nothing_that_it_is_of_is_kept_any_more(
    serve, receive, subscribe, remember, update, replay, ended, until, pool
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url, rate_limit=1)
    await remember(endpoint, 5, "failed")
    begun = await replay(endpoint)
    await until(lambda: receiver.requests)
    await update(endpoint, active=False)
    await pool.execute(
        "UPDATE webhooks.replays SET since = since - interval '40 days', until = until - interval '40 days'"
    )
    assert (await ended(begun, "cancelled")).remaining > 0


async def test_a_replay_that_cannot_go_on_is_looked_at_less_often(
    serve, receive, subscribe, remember, update, replay, until, pool
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url, rate_limit=1)
    await remember(endpoint, 5, "failed")
    await replay(endpoint)
    await until(lambda: receiver.requests)
    await update(endpoint, active=False)

    async def in_seconds(least, most):
        wait = await pool.fetchval("SELECT extract(epoch FROM due_at - now()) FROM webhooks.replays")
        return least < wait < most

    await until(lambda: in_seconds(0.5, 1.1))
    await pool.execute("UPDATE webhooks.endpoints SET updated_at = now() - interval '2 minutes'")
    await until(lambda: in_seconds(10, 16))


async def test_live_traffic_and_retries_go_before_a_replay(
    serve, receive, subscribe, remember, publish, replay, cancel, ended, until
):
    await serve(**QUICK)

    async def slowly(_request):
        await asyncio.sleep(0.02)
        return 200

    receiver = await receive(slowly)
    endpoint = await subscribe(receiver.url)
    await remember(endpoint, 2000, "failed")
    begun = await replay(endpoint)
    await until(lambda: len(receiver.requests) >= 20)
    for _ in range(5):
        passed = len(receiver.requests)
        event = await publish()
        await until(lambda event=event: receiver.of(event))
        place = receiver.ids().index(str(event))
        assert place - passed < 60, "it did not wait for the rest of the replay"
    await cancel(begun)
    await ended(begun, "cancelled")


async def test_what_is_past_its_age_is_not_taken_for_missing(serve, subscribe, remember, plan):
    await serve(**QUICK)
    endpoint = await subscribe("http://127.0.0.1:1/")
    await remember(endpoint, 3, age=timedelta(days=31))
    await remember(endpoint, 2)
    planned = await plan(endpoint, since=utc_now() - timedelta(days=60), statuses=("missing",))
    assert planned.total == 2
    assert utc_now() - planned.since < timedelta(days=30, minutes=1), "the answer tells from when on"


async def test_what_is_gone_before_its_turn_is_skipped_and_counted(
    serve, receive, subscribe, remember, replay, ended, until, pool
):
    await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url, rate_limit=10, rate_period_seconds=1)
    await remember(endpoint, 320, "failed")
    begun = await replay(endpoint, statuses=("failed",))
    await until(lambda: receiver.requests)
    gone = await pool.fetch(  # as when the partition of their day is dropped
        "DELETE FROM webhooks.deliveries d WHERE NOT EXISTS (SELECT FROM webhooks.due u WHERE u.event_id = d.event_id)"
        " AND status = 'failed' RETURNING 1"
    )
    assert gone
    await pool.execute("UPDATE webhooks.endpoints SET rate_limit = NULL")
    await pool.execute("UPDATE webhooks.endpoint_revision SET revision = revision + 1")
    await pool.execute("UPDATE webhooks.endpoints SET revision = (SELECT revision FROM webhooks.endpoint_revision)")
    over = await ended(begun)
    assert (over.total, over.failed) == (320, 0)
    assert over.skipped == len(gone)
    assert over.delivered == 320 - len(gone) == len(set(receiver.ids()))


async def test_another_replica_goes_on_with_the_replay_of_one_that_was_killed(
    spawn, receive, subscribe, remember, replay, ended, until, rows_of
):
    receiver = await receive()
    first = await spawn(FLOWTASK_CRASHPOINTS="dispatcher.replaying:3", FLOWTASK_WEBHOOKS_TIMEOUT_SECONDS="1")
    endpoint = await subscribe(receiver.url)
    events = await remember(endpoint, 700, "failed")
    begun = await replay(endpoint, statuses=("failed",))
    await until(lambda: not first.running)
    second = await spawn(FLOWTASK_WEBHOOKS_TIMEOUT_SECONDS="1")
    over = await ended(begun)
    assert second.running
    assert (over.total, over.delivered, over.failed, over.skipped) == (700, 700, 0, 0)
    assert set(receiver.ids()) == set(map(str, events))
    assert {row["status"] for row in await rows_of("deliveries")} == {"delivered"}
