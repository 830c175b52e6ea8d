import asyncio
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest

from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.deliveries.identity import delivery_id
from flowtask_webhook_dispatcher.dispatch.guard import Guard
from flowtask_webhook_dispatcher.dispatch.journal import Journal
from flowtask_webhook_dispatcher.dispatch.lanes import Lanes
from flowtask_webhook_dispatcher.dispatch.metrics import OLDEST_DUE
from flowtask_webhook_dispatcher.dispatch.pacing import Pacing
from flowtask_webhook_dispatcher.dispatch.recorder import Recorder
from flowtask_webhook_dispatcher.dispatch.retrier import CANCEL_BATCH, Retrier
from flowtask_webhook_dispatcher.dispatch.turns import Turns
from flowtask_webhook_dispatcher.dispatch.work import Stage
from flowtask_webhook_dispatcher.endpoints.breaker import Rules
from flowtask_webhook_dispatcher.endpoints.directory import Directory
from flowtask_webhook_dispatcher.keyring import KeyRing

RING = KeyRing.parse("test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")


@pytest.fixture
def owe(pool, workspace, cloud_event):
    """Make so many rows due for an endpoint."""

    async def make(endpoint, number=1, *, attempts=0, at=None):
        events = [new_id() for _ in range(number)]
        payloads = [cloud_event(event_id=event) for event in events]
        ids = [delivery_id(event, endpoint) for event in events]
        await pool.execute(
            "INSERT INTO webhooks.messages (event_id, workspace_id, type, resource_id, stream_seq, payload)"
            " SELECT e, $1, 'task.created', '', 1, p FROM unnest($2::uuid[], $3::bytea[]) AS r(e, p)",
            workspace,
            events,
            payloads,
        )
        await pool.execute(
            "INSERT INTO webhooks.deliveries"
            " (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status, attempts)"
            " SELECT e, $1, d, $2, 'task.created', '', 'pending', 0 FROM unnest($3::uuid[], $4::uuid[]) AS r(e, d)",
            endpoint,
            workspace,
            events,
            ids,
        )
        await pool.execute(
            "INSERT INTO webhooks.due (delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at, attempts)"
            " SELECT d, e, $1, 1, $2, $3 FROM unnest($4::uuid[], $5::uuid[]) AS r(e, d)",
            endpoint,
            at or utc_now(),
            attempts,
            events,
            ids,
        )
        return ids

    return make


@pytest.fixture
async def make_replica(pool, level):
    """A retrier with lanes of its own; what it sends is only noted, and ends when it is told to."""
    replicas = []

    def make(*, each=4, claim=25.0, hold=True):
        sent, door = [], asyncio.Event()
        if not hold:
            door.set()

        async def send(parcel):
            parcel.stage = Stage.SENDING
            sent.append(parcel)
            await door.wait()
            # Done: as the journal would have it.
            await pool.execute("DELETE FROM webhooks.due WHERE delivery_id = $1", parcel.delivery_id)

        directory = Directory(RING, allow_http=True)
        recorder = Recorder(
            pool,
            Journal(lease=timedelta(seconds=25), due=lambda _at: None),
            lambda _arrival: None,
            lambda _attempts: None,
        )
        guard = Guard(directory, recorder.put, Rules(), each=each)
        lanes = Lanes(send, lambda endpoint: retrier.freed(endpoint), guard.at_once, total=512)  # noqa: PLW0108
        loop = asyncio.get_running_loop()
        pacing = Pacing(guard.at_once, lanes, loop.time, total=64, rate=1000, spare=lambda: False)
        seconds = timedelta(seconds=claim)
        retrier = Retrier(pool, directory, guard, lanes, recorder, Turns(level), claim=seconds, pacing=pacing)
        tasks = [asyncio.create_task(recorder.run()), asyncio.create_task(retrier.run())]
        replica = SimpleNamespace(
            sent=sent, door=door, retrier=retrier, lanes=lanes, recorder=recorder, directory=directory, tasks=tasks
        )
        replicas.append(replica)
        return replica

    yield make
    for replica in replicas:
        await replica.retrier.stop()
        replica.lanes.close()
        replica.lanes.abandon()
        await replica.lanes.idle()
        for task in replica.tasks:
            task.cancel()
        await asyncio.gather(*replica.tasks, return_exceptions=True)


def ids(parcels):
    return [parcel.delivery_id for parcel in parcels]


async def test_what_is_due_is_sent_with_its_claim(make_replica, make_endpoint, owe, until):
    endpoint = await make_endpoint()
    [due] = await owe(endpoint, attempts=2)
    replica = make_replica()
    await until(lambda: replica.sent)
    [parcel] = replica.sent
    assert (parcel.delivery_id, parcel.claim_no, parcel.attempts, parcel.receiver.id) == (due, 1, 2, endpoint)
    assert utc_now() + timedelta(seconds=20) < parcel.claim_until < utc_now() + timedelta(seconds=26)


async def test_what_is_due_later_waits_until_then_to_the_hundredth(make_replica, make_endpoint, owe, until):
    endpoint = await make_endpoint()
    replica = make_replica()
    at = utc_now() + timedelta(seconds=0.6)
    await owe(endpoint, at=at)
    replica.retrier.due(at)
    await until(lambda: replica.sent)
    assert timedelta(0) <= utc_now() - at < timedelta(seconds=0.2)


async def test_first_tries_go_before_retries(make_replica, make_endpoint, owe, until):
    endpoint = await make_endpoint()
    retries = await owe(endpoint, 10, attempts=1, at=utc_now() - timedelta(hours=1))
    first = await owe(endpoint, 5)
    replica = make_replica(each=4)
    await until(lambda: len(replica.sent) == 4)
    assert set(ids(replica.sent)) <= set(first)
    replica.door.set()
    await until(lambda: len(replica.sent) == 15)
    assert set(ids(replica.sent)) == set(first + retries)


async def test_how_late_we_are_is_told_without_replays_which_wait_for_each_other(
    make_replica, make_endpoint, owe, until, pool
):
    replayed, endpoint = await make_endpoint(), await make_endpoint()
    await owe(replayed, 2, attempts=1, at=utc_now() - timedelta(hours=1))
    await pool.execute("UPDATE webhooks.due SET trigger = 'replay'")
    await owe(endpoint, at=utc_now() - timedelta(seconds=20))
    replica = make_replica()
    await until(lambda: len(replica.sent) == 3)
    assert 20 <= OLDEST_DUE._value.get() < 60


async def test_two_replicas_never_share_a_row(make_replica, make_endpoint, owe, until):
    endpoints = [await make_endpoint() for _ in range(4)]
    due = [each for endpoint in endpoints for each in await owe(endpoint, 100)]
    replicas = [make_replica(hold=False) for _ in range(2)]
    await until(lambda: sum(len(replica.sent) for replica in replicas) >= len(due))
    sent = Counter(ids(replicas[0].sent) + ids(replicas[1].sent))
    assert set(sent) == set(due)
    assert set(sent.values()) == {1}
    assert all(replica.sent for replica in replicas)


async def test_rows_whose_holder_died_are_sent_when_their_lease_ends(make_replica, make_endpoint, owe, until):
    endpoint = await make_endpoint()
    [due] = await owe(endpoint)
    dead = make_replica(claim=0.5)
    await until(lambda: dead.sent)
    await dead.retrier.stop()
    heir = make_replica()
    await until(lambda: heir.sent)
    assert heir.sent[0].delivery_id == due
    assert heir.sent[0].claim_no == 2
    assert utc_now() >= dead.sent[0].claim_until


async def test_a_huge_backlog_of_one_endpoint_delays_no_other(make_replica, make_endpoint, owe, until, pool):
    flooded, calm = await make_endpoint(managed=True), await make_endpoint()
    await owe(flooded, 20_000, attempts=1, at=utc_now() - timedelta(hours=1))
    await pool.execute("ANALYZE webhooks.due")
    replica = make_replica(each=8)
    await until(lambda: len(replica.sent) == 8)
    [due] = await owe(calm)
    begun = asyncio.get_running_loop().time()
    await until(lambda: due in ids(replica.sent))
    assert asyncio.get_running_loop().time() - begun < 1
    claimed = await pool.fetchval("SELECT count(*) FROM webhooks.due WHERE endpoint_id = $1 AND claim_no > 0", flooded)
    assert claimed == 16


async def test_what_is_due_for_an_inactive_endpoint_waits_until_it_is_active(
    make_replica, make_endpoint, owe, until, pool
):
    off, on = await make_endpoint(active=False), await make_endpoint()
    [waiting], [other] = await owe(off), await owe(on)
    replica = make_replica(hold=False)
    await until(lambda: other in ids(replica.sent))
    assert waiting not in ids(replica.sent)
    async with pool.acquire() as connection, connection.transaction():
        revision = await connection.fetchval(
            "UPDATE webhooks.endpoint_revision SET revision = revision + 1 RETURNING revision"
        )
        await connection.execute(
            "UPDATE webhooks.endpoints SET active = true, revision = $2 WHERE id = $1", off, revision
        )
    await until(lambda: waiting in ids(replica.sent))


async def test_what_is_due_for_a_deleted_endpoint_is_cancelled(make_replica, make_endpoint, owe, until, rows_of):
    endpoint = await make_endpoint(deleted=True)
    await owe(endpoint, 1200, attempts=1)
    replica = make_replica()

    async def cancelled():
        return {row["status"] for row in await rows_of("deliveries")} == {"cancelled"}

    await until(cancelled)
    assert await rows_of("due") == []
    assert replica.sent == []


async def test_only_one_replica_sends_to_a_managed_endpoint_and_frees_it_when_the_backlog_is_gone(
    make_replica, make_endpoint, owe, until, rows_of
):
    endpoint = await make_endpoint(managed=True)
    await owe(endpoint, 60)
    replicas = [make_replica() for _ in range(3)]
    await until(lambda: any(replica.sent for replica in replicas))
    await asyncio.gather(*(until(lambda r=replica: len(r.directory._by_id)) for replica in replicas))
    for replica in replicas:
        replica.door.set()

    async def freed():
        [state] = await rows_of("endpoint_state")
        return not state["managed"]

    await until(freed)
    assert sorted(len(replica.sent) for replica in replicas) == [0, 0, 60]


async def test_a_free_and_idle_replica_writes_nothing(make_replica, make_endpoint, owe, until, rows_of, sql):
    endpoint = await make_endpoint(managed=True)
    await owe(endpoint, 3)
    replica = make_replica(hold=False)

    async def freed():
        return not (await rows_of("endpoint_state"))[0]["managed"]

    await until(freed)
    [before] = await sql("SELECT revision FROM webhooks.endpoint_revision")
    calm = await make_endpoint()
    [due] = await owe(calm)
    await until(lambda: due in ids(replica.sent))
    later = await owe(calm, at=utc_now() + timedelta(seconds=1))
    await until(lambda: later[0] in ids(replica.sent))
    [after] = await sql("SELECT revision FROM webhooks.endpoint_revision")
    assert after["revision"] == before["revision"] + 1


async def test_a_lease_is_given_up_at_the_end_so_that_another_replica_goes_on_at_once(
    make_replica, make_endpoint, owe, until, rows_of
):
    endpoint = await make_endpoint(managed=True)
    await owe(endpoint, 20)
    first = make_replica(each=2)
    await until(lambda: first.sent)
    second = make_replica(each=2)
    await until(lambda: second.directory.get(endpoint))
    await first.retrier.stop()
    assert second.sent == []
    await first.retrier.give_up_leases()
    begun = asyncio.get_running_loop().time()
    await until(lambda: second.sent)
    assert asyncio.get_running_loop().time() - begun < 2
    [state] = await rows_of("endpoint_state")
    assert state["owner"] == second.retrier._me
    assert state["epoch"] == 2


async def test_the_lease_of_a_dead_replica_is_taken_when_it_ends(make_replica, make_endpoint, owe, until, pool):
    endpoint = await make_endpoint(managed=True)
    await owe(endpoint)
    end = utc_now() + timedelta(seconds=1)
    await pool.execute("UPDATE webhooks.endpoint_state SET owner = $1, lease_until = $2", new_id(), end)
    replica = make_replica()
    await until(lambda: replica.sent)
    assert utc_now() >= end
    assert await pool.fetchval("SELECT epoch FROM webhooks.endpoint_state") == 1


async def test_nothing_is_claimed_while_the_history_cannot_be_written(make_replica, make_endpoint, owe, until, rows_of):
    endpoint = await make_endpoint()
    replica = make_replica()
    await until(lambda: replica.directory.get(endpoint))
    replica.recorder.healthy.clear()
    await replica.retrier.stop()
    [due] = await owe(endpoint)
    other = make_replica()
    await until(lambda: other.sent)
    assert ids(other.sent) == [due]
    assert replica.sent == []
    assert [row["claim_no"] for row in await rows_of("due")] == [1]


async def test_nothing_is_claimed_once_it_has_stopped(make_replica, make_endpoint, owe, until):
    endpoint = await make_endpoint()
    stopped = make_replica()
    await until(lambda: stopped.directory.get(endpoint))
    await stopped.retrier.stop()
    await owe(endpoint)
    other = make_replica()
    await until(lambda: other.sent)
    assert stopped.sent == []
    assert other.sent[0].claim_no == 1


async def test_the_claims_of_due_rows_read_one_partition_for_each_message(make_endpoint, owe, pool, sql):
    from flowtask_webhook_dispatcher.dispatch import statements  # noqa: PLC0415

    endpoint = await make_endpoint()
    await owe(endpoint, 300)
    async with pool.acquire() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        now = utc_now()
        rows = await connection.fetch(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + statements.CLAIM, [endpoint], [5], now, now, [5]
        )
    plan = "\n".join(row[0] for row in rows)
    assert "(never executed)" in plan
    assert "Seq Scan on messages" not in plan
    assert await sql("SELECT count(*) FROM webhooks.due WHERE claim_no = 1") == [(5,)]


async def test_an_endpoint_that_was_made_while_a_replica_stood_still_is_not_taken_for_one_that_is_gone(
    make_replica, make_endpoint, owe, until, pool
):
    replica = make_replica(hold=False)
    refresh, still, go_on = replica.directory.refresh, asyncio.Event(), asyncio.Event()

    async def refresh_and_stand_still(connection):
        await refresh(connection)
        still.set()
        await go_on.wait()

    replica.directory.refresh = refresh_and_stand_still
    await still.wait()
    [due] = await owe(await make_endpoint())
    replica.directory.refresh = refresh
    go_on.set()
    await until(lambda: replica.sent or replica.recorder.waiting)
    assert ids(replica.sent) == [due]
    assert await pool.fetchval("SELECT status FROM webhooks.deliveries") == "pending"


async def test_what_is_owed_to_an_endpoint_that_is_gone_is_cancelled_a_little_at_a_time(
    make_replica, make_endpoint, owe, until, pool
):
    await owe(await make_endpoint(deleted=True), 5000)
    replica, most = make_replica(), 0

    async def cancelled():
        nonlocal most
        most = max(most, replica.recorder.waiting)
        return not await pool.fetchval("SELECT count(*) FROM webhooks.due")

    await until(cancelled)
    assert 0 < most < 2 * CANCEL_BATCH
    assert await pool.fetchval("SELECT count(*) FROM webhooks.deliveries WHERE status = 'cancelled'") == 5000


async def test_times_that_are_far_off_take_no_memory(make_replica):
    replica = make_replica()
    for minutes in range(2, 200):
        replica.retrier.due(utc_now() + timedelta(minutes=minutes))
    assert len(replica.retrier._agenda) == 0
    replica.retrier.due(utc_now() + timedelta(seconds=50))
    assert len(replica.retrier._agenda) == 1
