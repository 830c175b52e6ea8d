"""How far the stream is on record, as a real server tells it."""

import asyncio
import itertools
import os
import signal

import pytest

from flowtask_contracts.topology import DISPATCHER_INTAKE, FLOWTASK
from flowtask_kit.service.resources import Resources
from flowtask_kit.settings import ServiceSettings
from flowtask_webhook_dispatcher.dispatch.floor import EVERY_SECONDS, Floor


@pytest.fixture
def grown():
    return []


@pytest.fixture
async def floor(database_url, nats_url, grown):
    told = ServiceSettings(database_url=database_url, nats_url=nats_url("webhook-dispatcher"))
    resources = Resources.create(FLOWTASK.service("webhook-dispatcher"), told)
    resources.bus.start()
    made = Floor(resources.bus, DISPATCHER_INTAKE, lambda: grown.append(asyncio.get_running_loop().time()))
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await resources.bus.stop()
    await resources.database.close()


async def test_it_rises_with_the_first_message_that_is_not_acknowledged(floor, publish, take_first, until, grown):
    for _ in range(3):
        await publish()
    first, second, third = await take_first(3)
    floor.want(1)
    await until(lambda: floor.known is not None)
    assert floor.known == 0
    await third.respond(b"+ACK")
    await first.respond(b"+ACK")

    def risen(to):
        floor.want(3)
        return floor.known == to

    await until(lambda: risen(1))
    await second.respond(b"+ACK")
    await until(lambda: risen(3))
    assert len(grown) == 3
    assert all(later - earlier > EVERY_SECONDS * 0.9 for earlier, later in itertools.pairwise(grown))


async def test_a_message_that_was_not_given_is_doubted(floor, publish, until, grown):
    await publish()
    floor.want(7)
    await until(lambda: grown)
    assert floor.doubted
    assert await floor.end() == 1


async def test_the_end_is_not_told_while_the_server_does_not_answer_and_nor_is_the_floor_then(
    floor, publish, until, nats_server
):
    await publish()
    floor.want(0)
    await until(lambda: floor.known is not None)
    os.kill(nats_server.pid, signal.SIGSTOP)

    async def stopped():
        """Its threads do not all stop at once: one of them may still answer."""
        return await floor.end() is None

    try:
        await until(stopped)
        assert floor.known is None
    finally:
        os.kill(nats_server.pid, signal.SIGCONT)
    floor.want(0)
    await until(lambda: floor.known is not None)
    assert await floor.end() == 1


async def test_nobody_who_wants_nothing_has_it_asked(floor, publish, until):
    await publish()
    await until(floor._bus.ready.is_set)
    await asyncio.sleep(2 * EVERY_SECONDS)
    assert floor.known is None
    floor.want(0)
    await until(lambda: floor.known == 0)
