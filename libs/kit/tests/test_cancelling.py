import asyncio

import pytest

from flowtask_kit.cancelling import end


async def test_a_task_that_loses_a_cancellation_ends_all_the_same():
    lost = []

    async def stubborn():
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost.append(1)
                if len(lost) == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task, again_after=0.01)
    assert task.cancelled()


async def test_a_task_has_time_to_clean_up():
    cleaned = []

    async def careful():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            cleaned.append(1)

    task = asyncio.create_task(careful())
    await asyncio.sleep(0)
    await end(task, again_after=5)
    assert cleaned == [1]


@pytest.mark.parametrize("error", [None, RuntimeError()])
async def test_a_task_that_has_ended_is_left_as_it_is(error):
    async def done():
        if error:
            raise error

    task = asyncio.create_task(done())
    await asyncio.wait([task])
    await end(task, again_after=5)
    assert task.exception() is error


async def test_a_bus_that_cannot_connect_stops_at_any_moment(world):
    for delay in (0, 0.001, 0.002, 0.003, 0.005, 0.01, 0.05):
        bus = world.resources(nats_url="nats://127.0.0.1:1").bus
        bus.start()
        await asyncio.sleep(delay)
        async with asyncio.timeout(3):
            await bus.stop()
