import asyncio

import pytest
from notes.world import eventually
from prometheus_client import REGISTRY

from flowtask_kit.service.background import Background


@pytest.fixture
async def background():
    made = Background()
    yield made
    await made.stop()


def restarts(name):
    return REGISTRY.get_sample_value("flowtask_loop_restarts_total", {"loop": name}) or 0


async def test_a_loop_that_fails_is_begun_anew_and_counted(background):
    calls = []

    async def loop():
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError
        await asyncio.Event().wait()

    background.start("failing", loop)
    await eventually(lambda: len(calls) == 3)
    assert restarts("failing") == 2


async def test_a_loop_that_ends_by_itself_is_not_begun_anew(background):
    calls = []

    async def once():
        calls.append(1)

    async def beside():
        calls.append(2)
        raise RuntimeError

    background.start("once", once)
    background.start("beside", beside)
    await eventually(lambda: calls.count(2) >= 3)
    assert (calls.count(1), restarts("once")) == (1, 0)


async def test_one_failing_loop_leaves_the_others_alone(background):
    ticks = []

    async def failing():
        raise RuntimeError

    async def steady():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.01)

    background.start("steady", steady)
    background.start("loud", failing)
    await eventually(lambda: restarts("loud") >= 2 and len(ticks) > 5)
    assert restarts("steady") == 0


async def test_stopping_ends_loops_the_last_first_and_waits_for_their_cleanup(background):
    ended = []

    def loop(name):
        async def run():
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.02)
                ended.append(name)

        return run

    for name in ("first", "second", "third"):
        background.start(name, loop(name))
    await asyncio.sleep(0)
    await background.stop()
    assert ended == ["third", "second", "first"]
