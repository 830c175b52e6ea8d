from datetime import UTC, timedelta

import pytest

from flowtask_contracts.commands.webhook_deliveries import Trigger
from flowtask_contracts.commands.webhooks import DisabledReason
from flowtask_kit.ids import utc_now
from flowtask_webhook_dispatcher.deliveries.models import Accepted, Failed, Gone
from flowtask_webhook_dispatcher.dispatch.payload import PublicEvent
from flowtask_webhook_dispatcher.dispatch.work import Cancelled, Deferred, Disabled, Released, Seen, Tripped
from flowtask_webhook_dispatcher.endpoints.breaker import CLOSED
from flowtask_webhook_dispatcher.endpoints.policy import Policy


def leased(due):
    """PostgreSQL's -infinity comes as a time without a zone."""
    return due["lease_until"].replace(tzinfo=UTC) > utc_now()


@pytest.fixture
def claim(pool):
    """Claim a due row as a retrier does; gives its new number."""

    async def take(parcel):
        parcel.claim_no = await pool.fetchval(
            "UPDATE webhooks.due SET claim_no = claim_no + 1, lease_until = now() + interval '25 s'"
            " WHERE delivery_id = $1 RETURNING claim_no",
            parcel.delivery_id,
        )
        return parcel

    return take


@pytest.fixture
def count_writes(pool):
    """How many rows were ever written to `due`."""

    async def look():
        await pool.fetch("SELECT pg_stat_clear_snapshot()")
        async with pool.acquire() as connection:
            await connection.fetch("SELECT pg_stat_force_next_flush()")
            return await connection.fetchval(
                "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables"
                " WHERE schemaname = 'webhooks' AND relname = 'due'"
            )

    return look


async def test_a_first_success_is_on_record_without_touching_the_due_table(
    write, rows_of, make_parcel, attempted, count_writes
):
    parcel = make_parcel(stream_seq=7)
    await write(attempted(parcel, response_body="ok"))
    [message], [delivery], [attempt] = await rows_of("messages"), await rows_of("deliveries"), await rows_of("attempts")
    assert (message["event_id"], message["stream_seq"]) == (parcel.event.id, 7)
    assert bytes(message["payload"]) == parcel.event.raw
    assert (delivery["delivery_id"], delivery["status"], delivery["attempts"]) == (parcel.delivery_id, "delivered", 1)
    assert (delivery["last_status_code"], delivery["last_error"]) == (200, None)
    assert (attempt["attempt_no"], attempt["trigger"], attempt["response_body"]) == (1, "schedule", "ok")
    assert await rows_of("due") == []
    assert await count_writes() == 0


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1), (1, 5), (2, 25)])
async def test_a_failure_is_due_again_when_the_schedule_says(
    write, rows_of, make_parcel, attempted, heard, attempts, seconds
):
    parcel, before = make_parcel(attempts=attempts), utc_now()
    await write(attempted(parcel, Failed()))
    after = utc_now()
    [due], [delivery] = await rows_of("due"), await rows_of("deliveries")
    planned = timedelta(seconds=seconds)
    assert before + planned <= due["next_attempt_at"] <= after + planned * 1.1
    assert (due["attempts"], due["claim_no"], due["trigger"]) == (attempts + 1, 0, "schedule")
    assert not leased(due)
    assert (delivery["status"], delivery["last_status_code"]) == ("pending", 500)
    assert heard == [due["next_attempt_at"]]


async def test_what_cannot_succeed_is_failed_at_once(write, rows_of, make_parcel, attempted):
    await write(attempted(make_parcel(), Gone()))
    [delivery] = await rows_of("deliveries")
    assert (delivery["status"], delivery["attempts"]) == ("failed", 1)
    assert await rows_of("due") == []


async def test_the_fourth_failure_is_the_last(write, rows_of, make_parcel, attempted, claim):
    parcel = make_parcel()
    await write(attempted(parcel, Failed()))
    for _ in range(3):
        await write(attempted(await claim(parcel), Failed()))
    [delivery] = await rows_of("deliveries")
    assert (delivery["status"], delivery["attempts"]) == ("failed", 4)
    assert await rows_of("due") == []
    assert [row["attempt_no"] for row in await rows_of("attempts")] == [1, 2, 3, 4]


@pytest.mark.parametrize("outcome", [Failed(), Gone()])
async def test_a_failure_never_undoes_a_success(write, rows_of, make_parcel, attempted, outcome):
    parcel = make_parcel()
    await write(attempted(parcel))
    await write(attempted(parcel, outcome))
    [delivery] = await rows_of("deliveries")
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
    assert await rows_of("due") == []


async def test_a_success_that_came_twice_takes_away_what_was_due(write, rows_of, make_parcel, attempted):
    parcel = make_parcel()
    await write(attempted(parcel, Failed()))
    parcel.claim_no = 0
    await write(attempted(parcel))
    assert [row["status"] for row in await rows_of("deliveries")] == ["delivered"]
    assert await rows_of("due") == []


async def test_an_event_is_on_record_once_whoever_gets_it(
    write, rows_of, make_receiver, make_parcel, attempted, cloud_event
):
    event = PublicEvent.parse(cloud_event())
    parcels = [make_parcel(make_receiver(), event=event) for _ in range(3)]
    await write(*(attempted(parcel) for parcel in parcels[:2]))
    await write(attempted(parcels[2]))
    assert len(await rows_of("messages")) == 1
    assert len(await rows_of("deliveries")) == 3


async def test_an_event_that_nobody_wants_is_on_record_too(write, rows_of, make_parcel):
    parcel = make_parcel()
    await write(Seen(parcel.arrival))
    await write(Seen(parcel.arrival))
    assert [row["event_id"] for row in await rows_of("messages")] == [parcel.event.id]
    assert await rows_of("deliveries") == []


async def test_a_deferred_parcel_is_pending_and_due_now(write, rows_of, make_parcel, heard):
    parcel, now = make_parcel(stream_seq=9), utc_now()
    await write(Deferred(parcel, now, arrival=parcel.take_arrival()))
    [due], [delivery] = await rows_of("due"), await rows_of("deliveries")
    assert (due["next_attempt_at"], due["attempts"], due["claim_no"], due["stream_seq"]) == (now, 0, 0, 9)
    assert not leased(due)
    assert (delivery["status"], delivery["attempts"]) == ("pending", 0)
    assert heard == [now]


async def test_a_parcel_deferred_while_it_is_sent_is_leased_and_settled_by_its_result(
    write, rows_of, make_parcel, attempted, heard
):
    parcel, now = make_parcel(claim_no=1), utc_now()
    await write(Deferred(parcel, now, leased=True, arrival=parcel.take_arrival()))
    [due] = await rows_of("due")
    assert due["claim_no"] == 1
    assert now + timedelta(seconds=20) < due["lease_until"] < utc_now() + timedelta(seconds=26)
    assert heard == []
    await write(attempted(parcel))
    assert await rows_of("due") == []
    assert [(row["status"], row["attempts"]) for row in await rows_of("deliveries")] == [("delivered", 1)]


async def test_a_failure_after_the_lease_was_written_counts_as_the_first_try(write, rows_of, make_parcel, attempted):
    parcel = make_parcel(claim_no=1)
    await write(Deferred(parcel, utc_now(), leased=True, arrival=parcel.take_arrival()))
    await write(attempted(parcel, Failed()))
    [due] = await rows_of("due")
    assert (due["attempts"], due["trigger"]) == (1, "schedule")
    assert due["next_attempt_at"] > utc_now()
    assert not leased(due)


async def test_a_late_failure_settles_nothing(write, rows_of, make_parcel, attempted, claim):
    parcel = make_parcel()
    await write(Deferred(parcel, utc_now(), arrival=parcel.take_arrival()))
    late = (await claim(parcel)).claim_no
    await claim(parcel)
    before = await rows_of("due")
    parcel.claim_no = late
    for outcome in (Failed(), Gone()):
        await write(attempted(parcel, outcome))
    assert await rows_of("due") == before
    assert await rows_of("attempts") == []
    assert [(row["status"], row["attempts"]) for row in await rows_of("deliveries")] == [("pending", 0)]


async def test_a_late_success_settles_all_the_same(write, rows_of, make_parcel, attempted, claim):
    parcel = make_parcel()
    await write(Deferred(parcel, utc_now(), arrival=parcel.take_arrival()))
    late = (await claim(parcel)).claim_no
    await claim(parcel)
    parcel.claim_no = late
    await write(attempted(parcel))
    assert await rows_of("due") == []
    assert [row["status"] for row in await rows_of("deliveries")] == ["delivered"]


async def test_a_failure_whose_row_is_gone_changes_nothing(write, rows_of, make_parcel, attempted, claim):
    parcel = make_parcel()
    await write(attempted(parcel, Failed()))
    await write(attempted(await claim(parcel)))
    await write(attempted(parcel, Failed()))
    assert [(row["status"], row["attempts"]) for row in await rows_of("deliveries")] == [("delivered", 2)]
    assert await rows_of("due") == []


async def test_a_delivered_parcel_is_not_made_due_again(write, rows_of, make_parcel, attempted):
    parcel = make_parcel()
    await write(attempted(parcel))
    await write(Deferred(parcel, utc_now()))
    assert await rows_of("due") == []
    assert [row["status"] for row in await rows_of("deliveries")] == ["delivered"]


async def test_a_claim_given_back_is_due_at_once_and_only_its_holder_can_give_it(write, rows_of, make_parcel, claim):
    parcel = make_parcel()
    await write(Deferred(parcel, utc_now(), arrival=parcel.take_arrival()))
    await claim(parcel)
    later = utc_now() + timedelta(seconds=5)
    parcel.claim_no += 1
    await write(Released(parcel, later))
    assert leased((await rows_of("due"))[0])
    parcel.claim_no -= 1
    await write(Released(parcel, later))
    [due] = await rows_of("due")
    assert not leased(due)
    assert (due["next_attempt_at"], due["attempts"]) == (later, 0)


async def test_since_when_it_could_not_be_sent_stays_known_until_it_was(write, rows_of, make_parcel, attempted, claim):
    parcel, begun = make_parcel(), utc_now()
    await write(Deferred(parcel, begun, arrival=parcel.take_arrival()))
    for seconds in (5, 10):
        await claim(parcel)
        await write(Released(parcel, begun + timedelta(seconds=seconds)))
    [due] = await rows_of("due")
    assert (due["next_attempt_at"], due["due_since"]) == (begun + timedelta(seconds=10), begun)
    await write(attempted(await claim(parcel), Failed()))
    [due] = await rows_of("due")
    assert (due["attempts"], due["due_since"]) == (1, None)


async def test_a_cancelled_parcel_is_not_due_and_its_delivery_says_so(write, rows_of, make_parcel, attempted):
    pending, delivered, fresh = make_parcel(), make_parcel(), make_parcel()
    await write(attempted(pending, Failed()), attempted(delivered))
    await write(Cancelled(pending), Cancelled(delivered), Cancelled(fresh, fresh.take_arrival()))
    statuses = {row["delivery_id"]: row["status"] for row in await rows_of("deliveries")}
    assert statuses == {
        pending.delivery_id: "cancelled",
        delivered.delivery_id: "delivered",
        fresh.delivery_id: "cancelled",
    }
    assert await rows_of("due") == []
    assert len(await rows_of("messages")) == 3


@pytest.fixture
def make_manual(pool):
    """Turn a due row manual, as the command does."""

    async def turn(parcel):
        await pool.execute(
            "UPDATE webhooks.due SET trigger = 'manual', resume_at = next_attempt_at, next_attempt_at = now()"
            " WHERE delivery_id = $1",
            parcel.delivery_id,
        )

    return turn


async def test_a_manual_attempt_that_fails_gives_the_row_back_to_the_schedule(
    write, rows_of, make_parcel, attempted, claim, make_manual
):
    parcel = make_parcel()
    await write(attempted(parcel, Failed()))
    [planned] = await rows_of("due")
    await make_manual(parcel)
    await claim(parcel)
    parcel.trigger = Trigger.MANUAL
    await write(attempted(parcel, Failed()))
    [due] = await rows_of("due")
    assert (due["attempts"], due["trigger"], due["resume_at"]) == (1, "schedule", None)
    assert due["next_attempt_at"] == planned["next_attempt_at"]
    assert [row["trigger"] for row in await rows_of("attempts")] == ["schedule", "manual"]
    assert [(row["status"], row["attempts"]) for row in await rows_of("deliveries")] == [("pending", 2)]


async def test_a_manual_attempt_asked_for_during_a_scheduled_one_is_still_made(
    write, rows_of, make_parcel, attempted, make_manual
):
    parcel = make_parcel(claim_no=1)
    await write(Deferred(parcel, utc_now(), leased=True, arrival=parcel.take_arrival()))
    await make_manual(parcel)
    await write(attempted(parcel, Failed()))
    [due] = await rows_of("due")
    assert (due["attempts"], due["trigger"]) == (1, "manual")
    assert due["next_attempt_at"] <= utc_now() < due["resume_at"]
    assert not leased(due)


async def test_a_backlog_has_the_endpoint_managed_under_a_new_revision(
    write, sql, make_endpoint, make_receiver, make_parcel
):
    busy, calm = await make_endpoint(), await make_endpoint()
    parcel, other = make_parcel(make_receiver(busy)), make_parcel(make_receiver(calm))
    await write(Deferred(parcel, utc_now(), backlog=True), Deferred(other, utc_now()))
    states = {row["endpoint_id"]: row["managed"] for row in await sql("SELECT * FROM webhooks.endpoint_state")}
    assert states == {busy: True, calm: False}
    [revision] = await sql("SELECT revision FROM webhooks.endpoint_revision")
    [endpoint] = await sql("SELECT revision FROM webhooks.endpoints WHERE id = $1", busy)
    assert revision == endpoint


@pytest.mark.parametrize(("opened", "missed"), [(timedelta(minutes=40), timedelta(minutes=50)), (None, timedelta(0))])
async def test_what_failed_before_its_receiver_ended_a_webhook_is_missed_too(
    write, make_endpoint, pool, opened, missed
):
    endpoint, now = await make_endpoint(), utc_now()
    await pool.execute(
        "UPDATE webhooks.endpoint_state SET opened_at = $2 WHERE endpoint_id = $1", endpoint, opened and now - opened
    )
    await write(Disabled(endpoint, "http://127.0.0.1:1/", DisabledReason.GONE, now))
    assert await pool.fetchval("SELECT missed_since FROM webhooks.endpoint_state") == now - missed


@pytest.mark.parametrize("lost", [True, False])
async def test_what_an_outage_has_cost_is_offered_when_it_is_over(
    write, make_parcel, make_receiver, make_endpoint, attempted, pool, lost
):
    receiver, since = make_receiver(await make_endpoint(), policy=Policy(waits=())), utc_now() - timedelta(minutes=1)
    parcel = make_parcel(receiver)
    await write(attempted(parcel, Failed()))
    await pool.execute("UPDATE webhooks.deliveries SET recoverable = $1", not lost)
    await write(Tripped(receiver.id, CLOSED, recover_since=since))
    offered = await pool.fetchval("SELECT missed_since FROM webhooks.endpoint_state")
    assert offered == (since if lost else None)


async def test_what_is_being_replayed_keeps_its_other_round(
    write, make_parcel, make_receiver, make_endpoint, attempted, pool
):
    receiver = make_receiver(await make_endpoint(), policy=Policy(waits=()))
    replayed, lost = make_parcel(receiver), make_parcel(receiver)
    await write(attempted(replayed, Failed()), attempted(lost, Failed()))
    await pool.execute(
        "INSERT INTO webhooks.due (delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at, attempts, trigger)"
        " VALUES ($1, $2, $3, 1, now(), 1, 'replay')",
        replayed.delivery_id,
        replayed.event.id,
        receiver.id,
    )
    await write(Tripped(receiver.id, CLOSED, recover_since=utc_now() - timedelta(minutes=1)))
    rows = await pool.fetch("SELECT delivery_id, recoverable, status FROM webhooks.deliveries")
    assert {row["delivery_id"]: (row["recoverable"], row["status"]) for row in rows} == {
        replayed.delivery_id: (True, "failed"),
        lost.delivery_id: (False, "pending"),
    }


async def test_a_batch_is_written_whole_or_not_at_all(write, rows_of, make_parcel, attempted):
    good, bad = make_parcel(), make_parcel()
    with pytest.raises(Exception, match="0x00"):
        await write(attempted(good), attempted(bad, response_body="a\x00b"))
    assert await rows_of("messages") == []
    assert await rows_of("deliveries") == []


async def test_500_entries_of_all_kinds_are_written_together(write, rows_of, make_parcel, attempted):
    entries = []
    for number in range(500):
        parcel = make_parcel(stream_seq=number)
        kind = number % 4
        if kind == 3:
            entries.append(Deferred(parcel, utc_now(), arrival=parcel.take_arrival()))
        else:
            entries.append(attempted(parcel, (Accepted(), Failed(), Gone())[kind]))
    await write(*entries)
    assert len(await rows_of("messages")) == 500
    assert len(await rows_of("attempts")) == 375
    assert len(await rows_of("due")) == 250
    assert len(await rows_of("deliveries")) == 500
