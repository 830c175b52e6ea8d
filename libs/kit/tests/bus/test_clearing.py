import asyncio

import nats
import pytest
from nats.js import api
from nats.js.errors import APIError
from notes.contracts import CENSOR, COPYIST, JOURNAL, TOPOLOGY
from notes.world import eventually

from flowtask_kit.bootstrap.nats import bootstrap_nats
from flowtask_kit.bus.clearing import Clearing, Cut, Place, cut, cuts_apart

PLAIN, SECRET = "journal.note.plain", "journal.note.secret"


def info(floor, *, pending=0, unacknowledged=0, **config):
    return {
        "ack_floor": {"stream_seq": floor},
        "num_pending": pending,
        "num_ack_pending": unacknowledged,
        "config": config,
    }


@pytest.mark.parametrize(
    ("pending", "unacknowledged", "floor"), [(0, 0, 90), (1, 0, 40), (0, 1, 40), (3, 2, 40)], ids=str
)
def test_only_one_that_has_nothing_left_to_do_is_further_than_it_has_acknowledged(pending, unacknowledged, floor):
    assert Place.of(info(40, pending=pending, unacknowledged=unacknowledged), seen=90).floor == floor


def test_what_is_acknowledged_counts_also_beyond_what_was_seen():
    assert Place.of(info(100), seen=90).floor == 100


@pytest.mark.parametrize(
    ("config", "filters"),
    [
        ({"filter_subject": "a.b"}, ("a.b",)),
        ({"filter_subjects": ["a.b", "c.>"]}, ("a.b", "c.>")),
        ({}, (">",)),
    ],
    ids=str,
)
def test_what_a_durable_hears(config, filters):
    assert Place.of(info(1, **config), seen=1).filters == filters


def test_the_one_that_is_furthest_behind_says_what_is_kept():
    assert cut([Place(("a.>",), 50), Place(("a.b",), 7), Place(("a.c",), 60)]) == Cut(8)


def test_of_one_that_is_behind_only_what_it_hears_is_kept():
    places = [Place(("a.>",), 50), Place(("a.b", "a.*.z", "a.d.>"), 7), Place(("a.c",), 30)]
    subjects = ["a.b", "a.c", "a.x", "a.x.z", "a.x.y", "a.d", "a.d.e.f"]
    assert cuts_apart(places, subjects) == [Cut(31, "a.c"), Cut(51, "a.x"), Cut(51, "a.x.y"), Cut(51, "a.d")]


@pytest.fixture
async def journal(world):
    """The notes service, which clears; and what the administrator sees of the stream."""
    notes = await world.connected(world.resources())
    client = await world.client()
    return Journal(client.jetstream(), Clearing(notes.bus, JOURNAL, TOPOLOGY.readers_of(JOURNAL), every=0.05, apart=3))


class Journal:
    def __init__(self, jetstream, clearing):
        self.jetstream = jetstream
        self.clearing = clearing

    async def write(self, *subjects):
        for subject in subjects:
            await self.jetstream.publish(subject, b"{}")

    async def take(self, durable, number):
        subscription = await self.jetstream.pull_subscribe_bind(durable.name, JOURNAL.name)
        messages = await subscription.fetch(number, timeout=10)
        assert len(messages) == number
        return messages

    async def read(self, durable, number):
        for message in await self.take(durable, number):
            await message.ack_sync()

    async def cleared(self):
        """What is left when it was looked at twice."""
        await self.clearing.clear()
        await self.clearing.clear()
        return await self.left()

    async def left_after_a_while(self):
        """What is left when it was looked at by a server that has just come back."""
        async with asyncio.timeout(30):
            while True:
                try:
                    return await self.cleared()
                except (nats.errors.Error, TimeoutError):
                    await asyncio.sleep(0.05)

    async def empty(self):
        return not await self.left()

    async def left(self):
        state = (await self.jetstream.stream_info(JOURNAL.name, subjects_filter=">")).state
        return state.subjects or {}


async def test_what_everybody_has_acknowledged_goes(journal):
    await journal.write(PLAIN, SECRET, PLAIN, SECRET)
    assert await journal.cleared() == {PLAIN: 2, SECRET: 2}
    await journal.read(COPYIST, 3)
    await journal.read(CENSOR, 1)
    assert await journal.cleared() == {PLAIN: 1, SECRET: 1}
    await journal.read(COPYIST, 1)
    await journal.read(CENSOR, 1)
    assert await journal.cleared() == {}


async def test_what_is_under_way_stays_and_comes_again(journal):
    await journal.write(PLAIN, PLAIN, PLAIN)
    first, second, third = await journal.take(COPYIST, 3)
    await second.ack_sync()
    await third.ack_sync()
    assert await journal.cleared() == {PLAIN: 3}
    await first.nak()
    await journal.read(COPYIST, 1)
    assert await journal.cleared() == {}


async def test_what_came_since_the_last_look_stays_although_nobody_seems_to_wait_for_it(journal):
    """Of a durable that has nothing left to do only the look before says how far that goes."""
    await journal.write(PLAIN, PLAIN)
    await journal.read(COPYIST, 2)
    await journal.clearing.clear()
    assert await journal.left() == {PLAIN: 2}
    await journal.clearing.clear()
    assert await journal.left() == {}


async def test_one_that_stands_still_keeps_only_what_it_hears(journal):
    await journal.write(PLAIN, SECRET, PLAIN, PLAIN, SECRET, PLAIN)
    await journal.read(COPYIST, 6)
    assert await journal.cleared() == {SECRET: 2}
    await journal.read(CENSOR, 2)
    assert await journal.cleared() == {}


async def test_nothing_goes_while_a_durable_that_there_should_be_is_missing(journal, world):
    await journal.jetstream.delete_consumer(JOURNAL.name, CENSOR.name)
    try:
        await journal.write(SECRET)
        await journal.read(COPYIST, 1)
        assert await journal.cleared() == {SECRET: 1}
    finally:
        await bootstrap_nats(world.nats.url("admin", "admin-secret"), TOPOLOGY, replicas=1)
    await journal.read(CENSOR, 1)
    assert await journal.cleared() == {}


async def test_a_durable_that_this_program_does_not_know_is_waited_for_too(journal):
    later = api.ConsumerConfig(durable_name="of-a-later-release", filter_subject=PLAIN, ack_policy="explicit")
    await journal.jetstream.add_consumer(JOURNAL.name, config=later)
    try:
        await journal.write(PLAIN)
        await journal.read(COPYIST, 1)
        assert await journal.cleared() == {PLAIN: 1}
    finally:
        await journal.jetstream.delete_consumer(JOURNAL.name, "of-a-later-release")
    assert await journal.cleared() == {}


async def test_a_full_stream_refuses_until_it_is_cleared(journal):
    usual = (await journal.jetstream.stream_info(JOURNAL.name)).config
    await journal.jetstream.update_stream(usual.evolve(max_bytes=2048))
    try:
        with pytest.raises(APIError, match="maximum bytes exceeded"):
            await journal.write(*[PLAIN] * 100)
        await journal.read(COPYIST, (await journal.left())[PLAIN])
        assert await journal.cleared() == {}
        await journal.write(PLAIN)
    finally:
        await journal.jetstream.update_stream(usual)


async def test_a_server_that_is_killed_between_acks_and_clearing_loses_nothing(journal, world):
    await journal.write(*[PLAIN, SECRET] * 50)
    await journal.read(COPYIST, 40)
    await journal.clearing.clear()
    await asyncio.to_thread(world.nats.kill)
    await asyncio.to_thread(world.nats.start)

    left = await journal.left_after_a_while()
    assert sum(left.values()) >= 60 + 20  # all that one of them has to see
    waiting = [await journal.jetstream.consumer_info(JOURNAL.name, each.name) for each in (COPYIST, CENSOR)]
    assert waiting[0].num_pending + waiting[0].num_ack_pending >= 60
    assert waiting[1].num_pending == 50


async def test_it_clears_by_itself_and_waits_for_a_bus_that_is_away(journal, world):
    task = asyncio.create_task(journal.clearing.run())
    try:
        await asyncio.to_thread(world.nats.kill)
        await asyncio.to_thread(world.nats.start)
        await eventually(lambda: journal.jetstream._nc.is_connected)
        await journal.write(PLAIN, SECRET)
        await journal.read(COPYIST, 2)
        await journal.read(CENSOR, 1)
        await eventually(journal.empty)
    finally:
        task.cancel()
