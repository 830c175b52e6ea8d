"""Work in steps: who was let in before it was there comes late, and what they leave is found all the same."""

from datetime import timedelta

import pytest
from notes.database import Chore, NoteRow
from sqlalchemy import delete, select, text

from flowtask_kit.database.steps import oldest_seconds, take_step
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id, utc_now


class Sweeping:
    """Removes all notes, a step at a time; `after_look` runs once after the first look that finds none."""

    def __init__(self, notes):
        self.begun = lambda: transaction(notes.database, notes.wake)
        self.finished = False
        self.after_look = None

    async def start(self):
        async with self.begun() as tx:
            tx.add(Chore(id=new_id(), due_at=utc_now(), quiet=False))

    async def step(self, late=timedelta(0)):
        async with self.begun() as tx:
            chore = (await tx.scalars(select(Chore))).one()

            async def some():
                found = bool((await tx.execute(delete(NoteRow))).rowcount)
                if not found and self.after_look is not None:
                    look, self.after_look = self.after_look, None
                    await look()
                return found

            async def finish():
                self.finished = True
                await tx.delete(chore)

            await take_step(tx, chore, some=some, finish=finish, late=late)
            return chore


@pytest.fixture
async def sweeping(world):
    made = Sweeping(world.resources())
    await made.start()
    return made


async def left(sweeping):
    async with sweeping.begun() as tx:
        return (await tx.scalars(select(NoteRow.text))).all()


async def age(sweeping):
    """How long ago the work was first seen."""
    async with sweeping.begun() as tx:
        return timedelta(seconds=await oldest_seconds(tx, Chore))


async def test_nothing_is_done_before_what_was_open_has_ended(sweeping):
    async with sweeping.begun() as tx:
        tx.add(NoteRow(id=new_id(), text="there"))
    async with sweeping.begun() as old:
        await old.execute(text("SELECT 1"))
        for _ in range(3):
            assert (await sweeping.step()).quiet is False
        assert await left(sweeping) == ["there"]
    assert (await sweeping.step()).quiet is True
    assert await left(sweeping) == []


async def test_it_is_not_finished_while_somebody_may_still_come_and_what_they_leave_goes_as_well(sweeping):
    for _ in range(2):
        chore = await sweeping.step(late=timedelta(hours=1))
    assert (chore.quiet, sweeping.finished) == (True, False)
    assert chore.due_at > utc_now() + timedelta(minutes=30), "looked at again when it is worth it"
    async with sweeping.begun() as tx:
        tx.add(NoteRow(id=new_id(), text="late"))
    till_now = await age(sweeping)
    for finished in (False, True):
        await sweeping.step(till_now)
        assert (sweeping.finished, await left(sweeping)) == (finished, [])


async def test_what_is_committed_between_the_look_and_the_end_is_found(sweeping):
    """Whether anybody is left is asked before looking: who was still there may commit just after the look."""
    for _ in range(2):
        await sweeping.step(late=timedelta(hours=1))
    writer = sweeping.begun()
    tx = await writer.__aenter__()
    tx.add(NoteRow(id=new_id(), text="late"))
    await tx.flush()
    sweeping.after_look = lambda: writer.__aexit__(None, None, None)
    till_now = await age(sweeping)
    await sweeping.step(till_now)
    assert not sweeping.finished
    for _ in range(2):
        await sweeping.step(till_now)
    assert sweeping.finished
    assert await left(sweeping) == []


async def test_the_age_of_the_oldest_work_is_told(sweeping, world):
    assert await age(sweeping) == timedelta(0), "nobody has seen it yet"
    await sweeping.step()
    world.sql("UPDATE notes.chores SET seen_at = seen_at - interval '1 hour'")
    assert timedelta(hours=1) <= await age(sweeping) < timedelta(hours=1, minutes=2)
    world.sql("DELETE FROM notes.chores")
    assert await age(sweeping) == timedelta(0)
