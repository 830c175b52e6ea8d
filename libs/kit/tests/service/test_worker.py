import asyncio

import pytest
from notes.database import NoteRow
from notes.world import eventually
from sqlalchemy import select

from flowtask_contracts.errors import ServiceUnavailable
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id
from flowtask_kit.service.worker import Worker

NEVER = 3600.0


class Work:
    """So many steps to do; raises what it is told to first."""

    def __init__(self, steps=0, *errors):
        self.steps = steps
        self.errors = list(errors)
        self.done = 0
        self.looks = 0

    async def __call__(self):
        self.looks += 1
        if self.errors:
            raise self.errors.pop(0)
        if not self.steps:
            return False
        self.steps -= 1
        self.done += 1
        return True


@pytest.fixture
async def working():
    tasks = []

    def begin(work, poll):
        worker = Worker("test", work, poll=poll)
        tasks.append(asyncio.create_task(worker.run()))
        return worker, tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_it_works_until_nothing_is_left_then_waits_to_be_woken(working):
    work = Work(5)
    worker, _ = working(work, NEVER)
    await eventually(lambda: work.looks == 6)
    assert work.done == 5
    work.steps = 2
    worker.wake()
    await eventually(lambda: work.looks == 9)
    assert work.done == 7


async def test_without_being_woken_it_looks_by_itself(working):
    work = Work()
    working(work, 0.02)
    await eventually(lambda: work.looks > 3)
    work.steps = 1
    await eventually(lambda: work.done == 1)


@pytest.mark.parametrize("outage", [ServiceUnavailable(), ConnectionRefusedError(), TimeoutError()])
async def test_an_outage_is_waited_out(working, outage):
    work = Work(1, outage, outage)
    working(work, 0.02)
    await eventually(lambda: work.done == 1)


async def test_a_fault_is_the_callers(working):
    _, task = working(Work(1, KeyError("fault")), NEVER)
    with pytest.raises(KeyError):
        await task


async def test_a_wake_that_comes_while_it_works_is_not_lost(working):
    late = Work()

    async def step():
        if late.looks == 0:
            late.steps = 1
            worker.wake()
            late.looks += 1
            return False
        return await late()

    worker, _ = working(step, NEVER)
    await eventually(lambda: late.done == 1)


async def test_it_is_woken_by_a_commit_and_not_by_a_rollback(world, working):
    notes = world.resources()
    work = Work()
    worker, _ = working(work, NEVER)
    await eventually(lambda: work.looks == 1)

    async with notes.database.sessions() as tx:
        worker.wake_after(tx)
        await tx.execute(select(1))
        await tx.rollback()
    async with transaction(notes.database, notes.wake) as tx:
        tx.add(NoteRow(id=new_id(), text="x"))
        worker.wake_after(tx)
        await tx.flush()
        assert work.looks == 1
    await eventually(lambda: work.looks == 2)
