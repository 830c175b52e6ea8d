import asyncio
from datetime import timedelta

import asyncpg
import pytest

from flowtask_kit.ids import utc_now
from flowtask_webhook_dispatcher.deliveries.models import Failed
from flowtask_webhook_dispatcher.dispatch.journal import Journal
from flowtask_webhook_dispatcher.dispatch.recorder import Recorder
from flowtask_webhook_dispatcher.dispatch.work import ACK, AGAIN_LATER, Deferred, Released


@pytest.fixture
def settled():
    return []


@pytest.fixture
def patience():
    return {"lock_timeout": "50"}


@pytest.fixture
async def impatient(database_url, patience):
    """A pool that waits for a lock no longer than this: a busy server is an outage like any other."""
    async with asyncpg.create_pool(database_url, min_size=0, max_size=2, server_settings=patience) as made:
        yield made


@pytest.fixture
async def recorder(impatient, settled):
    made = Recorder(
        impatient, Journal(lease=timedelta(seconds=25), due=lambda _at: None), settled.append, lambda _attempts: None
    )
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_message_is_settled_once_its_entry_is_on_record(recorder, settled, make_parcel, attempted, rows_of):
    parcel = make_parcel()
    arrival = parcel.arrival
    recorder.put(attempted(parcel))
    assert settled == []
    await recorder.drained()
    assert settled == [arrival]
    assert arrival.answer == ACK
    assert len(await rows_of("deliveries")) == 1


async def test_a_message_for_two_endpoints_is_settled_by_the_second(
    recorder, settled, make_receiver, make_parcel, attempted
):
    first = make_parcel()
    second = make_parcel(make_receiver(), event=first.event, arrival=False)
    second.arrival = first.arrival
    arrival = first.arrival
    arrival.open = 2
    recorder.put(attempted(first))
    await recorder.drained()
    assert settled == []
    recorder.put(attempted(second))
    await recorder.drained()
    assert settled == [arrival]


async def test_entries_of_one_delivery_are_recorded_one_after_the_other(recorder, make_parcel, attempted, rows_of):
    parcel = make_parcel(claim_no=1)
    recorder.put(Deferred(parcel, utc_now(), leased=True, arrival=parcel.take_arrival()))
    recorder.put(attempted(parcel, Failed()))
    recorder.put(Released(parcel, utc_now()))
    recorder.put(attempted(parcel))
    await recorder.drained()
    assert [(row["status"], row["attempts"]) for row in await rows_of("deliveries")] == [("delivered", 2)]
    assert await rows_of("due") == []


async def test_an_entry_that_the_database_refuses_keeps_no_other_from_being_recorded(
    recorder, settled, make_parcel, attempted, rows_of
):
    parcels = [make_parcel() for _ in range(5)]
    arrivals = [parcel.arrival for parcel in parcels]
    for number, parcel in enumerate(parcels):
        recorder.put(attempted(parcel, response_body="a\x00b" if number == 2 else "ok"))
    await recorder.drained()
    assert len(await rows_of("deliveries")) == 4
    assert sorted(settled, key=arrivals.index) == arrivals
    assert [arrival.answer for arrival in arrivals] == [ACK, ACK, AGAIN_LATER, ACK, ACK]


@pytest.mark.parametrize("patience", [{"lock_timeout": "50"}, {"statement_timeout": "200"}])
async def test_while_the_database_cannot_take_them_entries_wait_and_nothing_is_healthy(
    recorder, settled, make_parcel, attempted, rows_of, database_url, until
):
    blocker = await asyncpg.connect(database_url)
    await blocker.execute("BEGIN; LOCK TABLE webhooks.messages IN ACCESS EXCLUSIVE MODE")
    recorder.put(attempted(make_parcel()))
    await until(lambda: not recorder.healthy.is_set())
    assert settled == []
    await blocker.execute("ROLLBACK")
    await blocker.close()
    await recorder.drained()
    assert recorder.healthy.is_set()
    assert len(await rows_of("deliveries")) == 1
    assert len(settled) == 1


async def test_an_event_is_written_with_the_first_of_its_entries_only(
    recorder, make_receiver, make_parcel, attempted, rows_of
):
    first = make_parcel()
    arrival = first.arrival
    arrival.open = 2
    recorder.put(attempted(first))
    await recorder.drained()
    assert arrival.on_record
    second = make_parcel(make_receiver(), event=first.event, arrival=False)
    second.arrival = arrival
    recorder.put(attempted(second))
    await recorder.drained()
    assert len(await rows_of("messages")) == 1
    assert len(await rows_of("deliveries")) == 2


async def test_a_thousand_entries_are_recorded_in_batches(recorder, make_parcel, attempted, rows_of, settled):
    for _ in range(1200):
        recorder.put(attempted(make_parcel()))
    await recorder.drained()
    assert len(await rows_of("deliveries")) == 1200
    assert len(settled) == 1200
