"""What is recorded of events and workspaces that were erased while it was under way; everything else is as ever."""

from datetime import timedelta
from uuid import uuid4

import pytest

from flowtask_kit.ids import utc_now
from flowtask_webhook_dispatcher.deliveries.models import Accepted, Failed, Gone
from flowtask_webhook_dispatcher.dispatch.work import Cancelled, Deferred, Seen

SAID = {"request_headers": b"webhook-id: x", "response_headers": b"X-Echo: y", "response_body": "z"}
TABLES = ("messages", "deliveries", "attempts", "due")


@pytest.fixture
def erase_event(pool):
    """As the command does: the event has no content any more, and everybody can know."""

    async def mark(parcel):
        await pool.execute(
            "UPDATE webhooks.messages SET payload = '{}', erased_at = now() WHERE event_id = $1", parcel.event.id
        )
        await pool.execute("INSERT INTO webhooks.erased_events (event_id, due_at) VALUES ($1, now())", parcel.event.id)

    return mark


@pytest.fixture
async def twins(write, make_parcel, make_receiver, attempted, erase_event):
    """An event with two endpoints; the first has answered, then the event was erased. The parcel for the second."""
    first = make_parcel()
    second = make_parcel(make_receiver(), event=first.event)
    await write(attempted(first, **SAID))
    await erase_event(first)
    return second


@pytest.mark.parametrize(
    ("outcome", "status"), [(Accepted(), "delivered"), (Failed(), "cancelled"), (Gone(), "failed")]
)
async def test_an_answer_straight_from_the_stream_has_no_content_and_no_sequel(
    write, rows_of, attempted, make_parcel, twins, outcome, status
):
    other = make_parcel()
    await write(attempted(twins, outcome, **SAID), attempted(other, **SAID))
    of = {row["delivery_id"]: row for row in await rows_of("deliveries")}
    assert (of[twins.delivery_id]["status"], of[twins.delivery_id]["attempts"]) == (status, 1)
    assert of[other.delivery_id]["status"] == "delivered"
    said = {row["endpoint_id"]: tuple(row[name] for name in SAID) for row in await rows_of("attempts")}
    assert said[twins.receiver.id] == (None, None, None)
    assert said[other.receiver.id] == tuple(SAID.values())
    assert await rows_of("due") == []
    assert {row["event_id"]: bytes(row["payload"]) for row in await rows_of("messages")}[twins.event.id] == b"{}"


async def test_what_ran_out_of_tries_is_owed_no_other_round(write, rows_of, attempted, twins):
    twins.attempts = 3
    await write(attempted(twins, Failed(), **SAID))
    [row] = [row for row in await rows_of("deliveries") if row["delivery_id"] == twins.delivery_id]
    assert (row["status"], row["recoverable"]) == ("failed", False)


@pytest.mark.parametrize("leased", [False, True])
async def test_what_is_put_off_is_cancelled_instead(write, rows_of, twins, leased):
    await write(Deferred(twins, utc_now(), leased=leased, arrival=twins.take_arrival()))
    statuses = {row["delivery_id"]: row["status"] for row in await rows_of("deliveries")}
    assert statuses[twins.delivery_id] == "cancelled"
    assert await rows_of("due") == []


@pytest.mark.parametrize("done", [False, True], ids=["while it is erased", "long after"])
async def test_nothing_of_an_erased_workspace_is_written_however_late_it_comes(
    write, rows_of, make_parcel, attempted, pool, workspace, done
):
    """A replica was cut off from the database, with answers that it had still to write down."""
    await pool.execute(
        "INSERT INTO webhooks.erasures (workspace_id, heard_at, revision, due_at, finished_at)"
        " VALUES ($1, now(), 1, now(), CASE WHEN $2 THEN now() END)",
        workspace,
        done,
    )
    parcels = [make_parcel() for _ in range(7)]
    good, bad, gone, late, cancelled, seen, claimed = parcels
    claimed.claim_no = 1
    await write(Seen(seen.arrival))
    await write(attempted(good, **SAID))
    await write(
        attempted(bad, Failed(), **SAID),
        attempted(gone, Gone(), **SAID),
        attempted(claimed, **SAID),
        Deferred(late, utc_now() - timedelta(seconds=1), arrival=late.take_arrival()),
        Cancelled(cancelled, cancelled.take_arrival()),
    )
    for table in TABLES:
        assert await rows_of(table) == []


async def test_the_others_are_written_beside_it(write, rows_of, make_parcel, attempted, pool):
    await pool.execute(
        "INSERT INTO webhooks.erasures (workspace_id, heard_at, revision, due_at) VALUES ($1, now(), 1, now())", uuid4()
    )
    await write(attempted(make_parcel(), **SAID), attempted(make_parcel(), Failed(), **SAID))
    assert [len(await rows_of(table)) for table in TABLES] == [2, 2, 2, 1]
