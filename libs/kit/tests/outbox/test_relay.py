import asyncio
import os
import signal
import time

import pytest
from notes.contracts import NoteSealed, written
from notes.database import Outbox
from notes.world import eventually
from opentelemetry import trace
from prometheus_client import REGISTRY

from flowtask_kit import traces
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.publish import ATOMIC_FROM
from flowtask_kit.outbox.relay import BATCH, BATCH_BYTES

INSERT = "INSERT INTO notes.outbox (event_id, subject, headers, payload) VALUES"


async def started(world, **changes):
    """A replica of the notes service whose relay runs."""
    notes = await world.connected(world.resources(**changes))
    notes.background.start("relay", notes.relay().run)
    return notes


async def write(notes, *events):
    """Outbox rows of one transaction, in order."""
    rows = [Outbox.of(event) for event in events]
    async with transaction(notes.database, notes.wake) as tx:
        for row in rows:
            tx.add(row)
            await tx.flush()
    return rows


async def heard(world):
    """The ids of every publish that reaches the server from now on, those it drops as duplicates included."""
    seen = []

    async def note(message):
        seen.append(message.headers["Nats-Msg-Id"])

    client = await world.client()
    for subject in ("events.>", "internal.>"):
        await client.subscribe(subject, cb=note)
    await client.flush()
    return seen


def ids(rows):
    return [str(row.event_id) for row in rows]


def sent(messages):
    return [message.headers["Nats-Msg-Id"] for message in messages]


async def emptied(world, timeout=60.0):  # noqa: ASYNC109 - a limit for the whole wait
    await eventually(lambda: world.count("outbox") == 0, timeout)


@pytest.mark.parametrize("count", [1, 15, 16, 40])
async def test_rows_are_published_in_order_and_gone_once_acknowledged(world, count):
    notes = await started(world)
    rows = await write(notes, *(written(str(number)) for number in range(count)))

    await emptied(world)

    stored = await world.stored()
    assert sent(stored) == ids(rows)
    assert [message.data for message in stored] == [row.payload for row in rows]
    assert {"Nats-Batch-Id" in message.headers for message in stored} == {count >= ATOMIC_FROM}


async def test_more_rows_than_one_batch_go_out_without_waiting_for_the_poll(world):
    notes = await started(world)
    seen = await heard(world)
    rows = await write(notes, *(written(str(number)) for number in range(2 * BATCH + 10)))

    await emptied(world)

    await eventually(lambda: len(seen) >= len(rows))
    assert seen == ids(rows)


async def test_large_events_go_out_in_smaller_batches(world):
    notes = await world.connected(world.resources())
    seen = await heard(world)
    rows = await write(notes, *(written("x" * 800_000) for _ in range(24)))
    assert sum(len(row.payload) for row in rows) > 2 * BATCH_BYTES
    begun = time.monotonic()

    notes.background.start("relay", notes.relay().run)
    await eventually(lambda: len(seen) >= len(rows))
    await emptied(world)

    assert seen == ids(rows)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("run", [1, 3, 20])
async def test_events_of_both_streams_keep_their_order(world, run):
    notes = await started(world)
    kinds = [NoteSealed if number // run % 2 else None for number in range(max(12, run * 4))]
    rows = await write(notes, *(written(event=kind) if kind else written() for kind in kinds))
    await emptied(world)

    by_stream = {
        "EVENTS": [row for row in rows if row.subject.startswith("events.")],
        "INTERNAL": [row for row in rows if row.subject.startswith("internal.")],
    }
    for stream, expected in by_stream.items():
        assert sent(await world.stored(stream)) == ids(expected)


@pytest.mark.parametrize("count", [3, 30])
async def test_rows_whose_ids_the_stream_knows_already_are_not_stored_twice(world, count):
    notes = await started(world)
    await write(notes, *(written(str(number)) for number in range(count)))
    await emptied(world)
    before = await world.stored()
    fresh = [Outbox.of(written("fresh")) for _ in range(count)]

    async with transaction(notes.database, notes.wake) as tx:
        for message, new in zip(before, fresh, strict=True):
            old = Outbox(
                event_id=message.headers["Nats-Msg-Id"], subject=message.subject, payload=message.data, headers={}
            )
            for row in (old, new):
                tx.add(row)
                await tx.flush()
    await emptied(world)

    assert sent(await world.stored()) == sent(before) + ids(fresh)


async def test_two_relays_publish_each_row_once(world):
    replicas = [await started(world), await started(world)]
    seen = await heard(world)

    async def busy(notes):
        return [row for _ in range(25) for row in await write(notes, *(written() for _ in range(4)))]

    rows = [row for part in await asyncio.gather(*(busy(notes) for notes in replicas)) for row in part]
    await emptied(world)

    await eventually(lambda: len(seen) >= len(rows))
    assert sorted(seen) == sorted(ids(rows))


async def test_a_commit_on_one_replica_wakes_the_relay_of_another(world):
    asleep = await world.connected(world.resources())
    await started(world)
    await write(asleep, written())
    await emptied(world)
    begun = time.monotonic()
    for _ in range(10):
        await write(asleep, written())
        await emptied(world)
    assert time.monotonic() - begun < 5  # by the poll alone each would take a second


async def test_rows_wait_while_nats_is_away_and_go_out_when_it_is_back(world):
    notes = await started(world)
    await write(notes, written())
    await emptied(world)

    await asyncio.to_thread(world.nats.kill)
    await eventually(lambda: notes.bus.away)
    rows = await write(notes, *(written() for _ in range(20)))
    assert world.count("outbox") == 20
    await asyncio.to_thread(world.nats.start)

    await emptied(world)
    assert sent(await world.stored())[1:] == ids(rows)


async def test_a_full_stream_makes_rows_wait_until_there_is_space(world):
    notes = await started(world)
    jetstream = (await world.client()).jetstream()
    usual = (await jetstream.stream_info("EVENTS")).config
    await jetstream.update_stream(usual.evolve(max_bytes=4096))
    try:
        rows = await write(notes, *(written("x" * 100) for _ in range(20)))
        await eventually(lambda: len(rows) > world.count("outbox") > 0)
        stored = sent(await world.stored())
        assert stored == ids(rows)[: len(stored)]
        assert world.count("outbox") == len(rows) - len(stored)
    finally:
        await jetstream.update_stream(usual)

    await emptied(world)
    assert sent(await world.stored()) == ids(rows)


async def test_a_row_that_no_stream_takes_holds_back_only_what_comes_after_it(world):
    notes = await world.connected(world.resources())
    before = await write(notes, *(written() for _ in range(3)))
    world.sql(f"{INSERT} (gen_random_uuid(), 'elsewhere.note', '{{}}', '')")
    after = await write(notes, *(written() for _ in range(3)))

    notes.background.start("relay", notes.relay().run)
    await eventually(lambda: world.count("outbox") == 4)
    assert sent(await world.stored()) == ids(before)

    world.sql("DELETE FROM notes.outbox WHERE subject = 'elsewhere.note'")
    await emptied(world)
    assert sent(await world.stored()) == ids(before + after)


async def test_a_refused_row_is_not_tried_again_at_every_commit(world):
    notes = await started(world)
    world.sql(f"{INSERT} (gen_random_uuid(), 'elsewhere.note', '{{}}', '')")

    def refused():
        return REGISTRY.get_sample_value("flowtask_outbox_failures_total", {"cause": "publish"}) or 0

    first = await eventually(refused)
    begun = time.monotonic()
    for _ in range(50):
        await write(notes, written())
    assert refused() - first <= 1 + (time.monotonic() - begun) / 1.0


async def test_a_row_that_this_service_may_not_publish_holds_back_only_what_comes_after_it(world):
    notes = await world.connected(world.resources())
    before = await write(notes, *(written() for _ in range(17)))
    world.sql(f"{INSERT} (gen_random_uuid(), 'events.desk.opened', '{{}}', '{{}}')")
    after = await write(notes, *(written() for _ in range(2)))

    notes.background.start("relay", notes.relay().run)
    await eventually(lambda: world.count("outbox") == 3, timeout=60)
    assert sent(await world.stored()) == ids(before)

    world.sql("DELETE FROM notes.outbox WHERE subject = 'events.desk.opened'")
    await emptied(world)
    assert sent(await world.stored()) == ids(before + after)


@pytest.mark.parametrize("count", [1, 20])
async def test_a_round_whose_database_connection_dies_is_done_again_without_a_second_copy(world, count):
    notes = await started(world)
    await write(notes, written())
    await emptied(world)

    os.kill(world.nats.pid, signal.SIGSTOP)
    try:
        rows = await write(notes, *(written() for _ in range(count)))
        relay = "application_name = 'flowtask-relay' AND state = 'idle in transaction'"
        await eventually(lambda: world.sql(f"SELECT pid FROM pg_stat_activity WHERE {relay}"))  # noqa: S608
        world.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {relay}")  # noqa: S608
    finally:
        os.kill(world.nats.pid, signal.SIGCONT)

    await emptied(world)
    assert sent(await world.stored())[1:] == ids(rows)


async def test_rows_go_out_after_postgresql_was_killed_and_came_back(mortal_world):
    notes = await started(mortal_world)
    first = await write(notes, written())
    await emptied(mortal_world)

    await asyncio.to_thread(mortal_world.postgres.kill)
    await asyncio.to_thread(mortal_world.postgres.start)
    second = await write(notes, written())

    await emptied(mortal_world)
    assert sent(await mortal_world.stored()) == ids(first + second)


async def test_a_lost_wake_is_healed_by_the_poll(world):
    await started(world)
    begun = time.monotonic()
    world.sql(f"{INSERT} (gen_random_uuid(), 'events.note.written', '{{}}', '{{}}')")

    await emptied(world)
    assert time.monotonic() - begun < 5


async def test_the_trace_of_the_write_travels_with_the_message(world):
    traces.configure("notes", None)
    notes = await started(world)
    with traces.tracer().start_as_current_span("write"):
        trace_id = trace.get_current_span().get_span_context().trace_id
        await write(notes, written())

    await emptied(world)
    (message,) = await world.stored()
    assert message.headers["traceparent"].split("-")[1] == f"{trace_id:032x}"
    assert message.headers["content-type"] == "application/cloudevents+json"


async def test_a_relay_that_is_begun_anew_hears_each_wake_once(world):
    notes = await world.connected(world.resources())
    for _ in range(3):
        await notes.wake.listen()
    assert len([s for s in notes.bus.client._subs.values() if s.subject == "wake.notes"]) == 1
