import asyncio

import pytest
from notes.contracts import written
from notes.database import NoteRow, Outbox
from notes.world import eventually
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id


async def wakes(world):
    """A list that grows with every wake of the notes service that reaches NATS."""
    seen = []

    async def note(_message):
        seen.append(world.count("outbox"))

    client = await world.client()
    await client.subscribe("wake.notes", cb=note)
    await client.flush()
    return seen


async def test_leaving_commits(world):
    notes = world.resources()
    async with transaction(notes.database, notes.wake) as tx:
        tx.add(NoteRow(id=new_id(), text="kept"))
    assert world.count("notes") == 1


async def test_an_error_rolls_everything_back_and_wakes_nobody(world):
    notes = world.resources()

    async def broken():
        async with transaction(notes.database, notes.wake) as tx:
            tx.add_all([NoteRow(id=new_id(), text="lost"), Outbox.of(written())])
            await tx.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    assert (world.count("notes"), world.count("outbox")) == (0, 0)
    assert not notes.wake.flag.is_set()


async def test_a_commit_that_fails_is_seen_by_the_caller_and_wakes_nobody(world):
    notes = world.resources()
    world.sql(
        "CREATE TABLE notes.pairs (id int UNIQUE DEFERRABLE INITIALLY DEFERRED); GRANT ALL ON notes.pairs TO PUBLIC"
    )

    async def twice():
        async with transaction(notes.database, notes.wake) as tx:
            tx.add(Outbox.of(written()))
            await tx.execute(text("INSERT INTO notes.pairs VALUES (1), (1)"))

    try:
        with pytest.raises(IntegrityError):
            await twice()
    finally:
        world.sql("DROP TABLE notes.pairs")
    assert world.count("outbox") == 0
    assert not notes.wake.flag.is_set()


async def test_a_cancelled_transaction_is_rolled_back_and_its_connection_used_again(world):
    notes = world.resources(database_pool_size=1)
    begun = asyncio.Event()

    async def slow():
        async with transaction(notes.database, notes.wake) as tx:
            tx.add(NoteRow(id=new_id(), text="lost"))
            await tx.flush()
            begun.set()
            await tx.execute(text("SELECT pg_sleep(10)"))

    task = asyncio.create_task(slow())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    async with transaction(notes.database, notes.wake) as tx:
        assert (await tx.scalars(select(NoteRow))).all() == []


async def test_relays_are_woken_after_a_commit_with_outbox_rows_and_never_before(world):
    notes = await world.connected(world.resources())
    seen = await wakes(world)
    async with transaction(notes.database, notes.wake) as tx:
        tx.add(Outbox.of(written()))
        await tx.flush()
        assert not notes.wake.flag.is_set()
    assert notes.wake.flag.is_set()

    await eventually(lambda: seen)
    assert seen == [1]


async def test_a_commit_without_outbox_rows_wakes_nobody(world):
    notes = await world.connected(world.resources())
    seen = await wakes(world)
    async with transaction(notes.database, notes.wake) as tx:
        tx.add(NoteRow(id=new_id(), text="quiet"))
    async with transaction(notes.database, notes.wake) as tx:
        await tx.execute(select(Outbox))
    assert not notes.wake.flag.is_set()

    async with transaction(notes.database, notes.wake) as tx:
        tx.add(Outbox.of(written()))
    await eventually(lambda: seen)
    assert len(seen) == 1


async def test_a_commit_succeeds_while_nats_is_away(world):
    notes = world.resources()
    async with transaction(notes.database, notes.wake) as tx:
        tx.add(Outbox.of(written()))
    assert world.count("outbox") == 1
    assert notes.wake.flag.is_set()
