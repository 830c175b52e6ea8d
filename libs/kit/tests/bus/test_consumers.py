import asyncio
import time
from datetime import timedelta

import pytest
from notes.contracts import READER, SEALER, NoteSealed, NoteWritten, written
from notes.database import FailedMessage, NoteRow
from notes.world import eventually
from prometheus_client import REGISTRY
from pydantic import ValidationError
from sqlalchemy.dialects.postgresql import insert

from flowtask_contracts.errors import NotFound
from flowtask_kit.bus.consumers import Consumers
from flowtask_kit.ids import new_id

SHORT = (timedelta(milliseconds=100), timedelta(milliseconds=300))


class Handler:
    """Keeps each note once; fails as often as it is told to."""

    def __init__(self):
        self.failures = 0
        self.error = RuntimeError("not now")
        self.calls = []

    async def __call__(self, tx, event):
        self.calls.append((time.monotonic(), event.id))
        row = {"id": event.data["id"], "text": event.data["text"]}
        await tx.execute(insert(NoteRow).values(row).on_conflict_do_nothing())
        if self.failures:
            self.failures -= 1
            raise self.error


@pytest.fixture
def handler():
    return Handler()


async def hearing(world, handler, durable=READER, event=NoteWritten, backoff=SHORT):
    """The consumers of a running notes service that handles one event type."""
    notes = world.resources()
    consumers = Consumers(notes.bus, notes.database, notes.wake, FailedMessage)
    consumers.on(durable, {event: handler}, backoff=backoff)
    await world.connected(notes)
    return consumers


async def publish(world, *events, subject=None):
    """Publish events, or bytes on a subject; returns the ids of the events."""
    jetstream = (await world.client()).jetstream()
    ids = [new_id() for _ in events]
    for event, event_id in zip(events, ids, strict=True):
        body = event if isinstance(event, bytes) else event.cloud_event(event_id, "test").to_json()
        await jetstream.publish(subject or event.bus_subject(), body)
    return ids


async def settled(world, durable=READER):
    """Wait until the durable has acknowledged everything."""
    jetstream = (await world.client()).jetstream()

    async def nothing_left():
        info = await jetstream.consumer_info(durable.stream, durable.name)
        return info.num_pending == info.num_ack_pending == 0

    await eventually(nothing_left)


def outcomes(outcome, durable=READER):
    return REGISTRY.get_sample_value("flowtask_messages_total", {"consumer": durable.name, "outcome": outcome}) or 0


async def test_each_message_is_handled_in_a_transaction_and_acknowledged(world, handler):
    await hearing(world, handler)
    ids = await publish(world, *(written(str(number)) for number in range(50)))
    await settled(world)
    assert sorted(event_id for _, event_id in handler.calls) == sorted(ids)
    assert (world.count("notes"), world.count("failed_messages")) == (50, 0)


async def test_messages_from_before_the_start_are_heard(world, handler):
    await publish(world, written())
    await hearing(world, handler)
    await settled(world)
    assert world.count("notes") == 1


async def test_a_failed_message_is_tried_again_after_each_wait_and_its_record_goes_with_success(world, handler):
    handler.failures = 2
    await hearing(world, handler)
    await publish(world, written())
    await eventually(lambda: len(handler.calls) == 2)
    assert world.count("notes") == 0
    await eventually(lambda: world.sql("SELECT tries FROM notes.failed_messages WHERE dead_at IS NULL").strip() == "2")

    await settled(world)

    first, second, third = (at for at, _ in handler.calls)
    assert second - first >= 0.1
    assert third - second >= 0.3
    assert (world.count("notes"), world.count("failed_messages")) == (1, 0)


async def test_after_the_last_try_a_message_is_a_dead_letter_and_acknowledged(world, handler):
    handler.failures = 100
    consumers = await hearing(world, handler)
    (event_id,) = await publish(world, written())
    await settled(world)

    assert len(handler.calls) == len(SHORT) + 1
    assert world.count("notes") == 0
    (letter,) = await consumers.dead()
    assert (letter.consumer, letter.message_id, letter.subject) == (READER.name, event_id, "events.note.written")
    assert (letter.tries, letter.last_error) == (3, "RuntimeError: not now")
    assert letter.dead_at >= letter.first_failed_at


async def test_one_failing_message_does_not_hold_back_the_others(world, handler):
    async def picky(tx, event):
        await handler(tx, event)
        if event.data["text"] == "bad":
            raise RuntimeError

    await hearing(world, picky)
    await publish(world, *(written("bad" if number == 3 else "good") for number in range(10)))
    await eventually(lambda: world.count("notes") == 9)
    await settled(world)
    assert world.count("failed_messages") == 1


async def test_a_consumer_without_waits_gives_up_at_once(world, handler):
    handler.failures = 1
    consumers = await hearing(world, handler, backoff=())
    await publish(world, written())
    await settled(world)
    assert [letter.tries for letter in await consumers.dead()] == [1]


@pytest.mark.parametrize("said", ["\x00", "\ud800", "x" * 5000, ""])
async def test_whatever_an_error_says_its_message_becomes_a_dead_letter(world, handler, said):
    handler.failures, handler.error = 100, RuntimeError(said)
    consumers = await hearing(world, handler)
    await publish(world, written())
    await settled(world)
    (letter,) = await consumers.dead()
    assert letter.last_error.startswith("RuntimeError: ")
    assert len(letter.last_error) <= 2010


async def test_types_without_a_handler_are_acknowledged(world, handler):
    await hearing(world, handler)
    unknown = written().cloud_event(new_id(), "test").model_copy(update={"type": "note.from-the-future"}).to_json()
    before = outcomes("ignored")
    await publish(world, unknown, subject="events.note.future")
    await settled(world)
    assert outcomes("ignored") == before + 1
    assert (handler.calls, world.count("failed_messages")) == ([], 0)


@pytest.mark.parametrize("body", [b"", b"not json", b"{}", b"\xff\x00", b"[" * 10_000])
async def test_what_is_no_event_becomes_a_dead_letter_of_its_own(world, handler, body):
    consumers = await hearing(world, handler)
    await publish(world, body, body, subject="events.note.broken")
    await settled(world)
    letters = await consumers.dead(consumer=READER.name)
    assert [letter.payload for letter in letters] == [body, body]
    assert len({letter.message_id for letter in letters}) == 2
    with pytest.raises(ValidationError):
        await consumers.retry_dead(READER.name, letters[0].message_id)
    assert len(await consumers.dead()) == 2


async def test_a_durable_of_several_subjects_hears_them_alone(world, handler):
    await hearing(world, handler, durable=SEALER, event=NoteSealed)
    await publish(world, written(event=NoteSealed))
    await settled(world, SEALER)
    assert len(handler.calls) == 1


async def test_a_database_that_takes_no_writes_counts_as_no_try_and_all_goes_on_when_it_does(world, handler):
    before = outcomes("outage")
    await hearing(world, handler, backoff=())
    with world.read_only():
        await publish(world, *(written(str(number)) for number in range(5)))
        await eventually(lambda: outcomes("outage") >= before + 6)
        assert (world.count("notes"), world.count("failed_messages")) == (0, 0)
    await settled(world)
    assert (world.count("notes"), world.count("failed_messages")) == (5, 0)


async def test_an_outage_of_the_database_counts_as_no_try_and_loses_nothing(mortal_world, handler):
    await hearing(mortal_world, handler, backoff=())
    await publish(mortal_world, written("before"))
    await settled(mortal_world)
    before = outcomes("outage")

    await asyncio.to_thread(mortal_world.postgres.kill)
    try:
        await publish(mortal_world, *(written("during") for _ in range(5)))
        await eventually(lambda: outcomes("outage") >= before + 10)
    finally:
        await asyncio.to_thread(mortal_world.postgres.start)

    await settled(mortal_world)
    assert (mortal_world.count("notes"), mortal_world.count("failed_messages")) == (6, 0)


async def test_hearing_goes_on_after_nats_was_killed_and_came_back(world, handler):
    await hearing(world, handler)
    await publish(world, written("before"))
    await settled(world)

    await asyncio.to_thread(world.nats.kill)
    await asyncio.to_thread(world.nats.start)
    await publish(world, written("after"))

    await settled(world)
    assert world.count("notes") == 2


async def test_dead_letters_are_listed_oldest_first_and_by_consumer(world, handler):
    handler.failures = 100
    consumers = await hearing(world, handler, backoff=())
    ids = []
    for _ in range(3):
        ids += await publish(world, written())
        await settled(world)

    assert [letter.message_id for letter in await consumers.dead()] == ids
    assert [letter.message_id for letter in await consumers.dead(consumer=READER.name, limit=2)] == ids[:2]
    assert await consumers.dead(consumer=SEALER.name) == []


async def test_a_message_that_still_has_tries_is_no_dead_letter(world, handler):
    handler.failures = 1
    consumers = await hearing(world, handler, backoff=(timedelta(seconds=60),))
    (event_id,) = await publish(world, written())
    await eventually(lambda: world.count("failed_messages"))
    assert await consumers.dead() == []
    with pytest.raises(NotFound):
        await consumers.retry_dead(READER.name, event_id)


async def test_a_dead_letter_can_be_retried_until_it_succeeds(world, handler):
    handler.failures = 2
    consumers = await hearing(world, handler, backoff=())
    (event_id,) = await publish(world, written())
    await settled(world)

    with pytest.raises(RuntimeError, match="not now"):
        await consumers.retry_dead(READER.name, event_id)
    assert (world.count("notes"), world.count("failed_messages")) == (0, 1)

    await consumers.retry_dead(READER.name, event_id)
    assert (world.count("notes"), world.count("failed_messages")) == (1, 0)
    with pytest.raises(NotFound):
        await consumers.retry_dead(READER.name, event_id)


async def test_of_two_retries_at_once_one_handles_the_dead_letter(world, handler):
    handler.failures = 1
    consumers = await hearing(world, handler, backoff=())
    (event_id,) = await publish(world, written())
    await settled(world)

    results = await asyncio.gather(
        *(consumers.retry_dead(READER.name, event_id) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(result) for result in results if result is not None) == [NotFound]
    assert len(handler.calls) == 2
