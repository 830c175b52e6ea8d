import asyncio

import pytest

from flowtask_kit.http.deadlines import Deadlines


async def test_what_is_not_done_in_time_is_cancelled_and_what_is_goes_on():
    deadlines = Deadlines(0.2)

    async def work(*, ends):
        deadline = deadlines.begin()
        if ends:
            deadline.end()
        try:
            await (asyncio.sleep(0.5) if ends else asyncio.Event().wait())
        except asyncio.CancelledError:
            assert deadline.expired
            assert deadline.task.uncancel() == 0
            return "cut"
        return "done"

    assert await asyncio.gather(*(work(ends=number % 2 == 0) for number in range(6))) == ["done", "cut"] * 3
    assert await work(ends=False) == "cut"


async def test_a_deadline_that_begins_later_ends_later():
    deadlines, clock, ended = Deadlines(0.3), asyncio.get_running_loop().time, {}

    async def work(number):
        begun = clock()
        deadlines.begin()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        ended[number] = clock() - begun

    tasks = []
    for number in range(4):
        tasks.append(asyncio.create_task(work(number)))
        await asyncio.sleep(0.05)
    await asyncio.gather(*tasks)
    assert list(ended) == [0, 1, 2, 3]
    assert min(ended.values()) >= 0.29
