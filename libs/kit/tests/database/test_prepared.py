import asyncpg
import pytest
from notes.database import NoteRow
from sqlalchemy import bindparam, insert, select

from flowtask_kit.database.prepared import Prepared
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id

FIND = Prepared(select(NoteRow.text).where(NoteRow.id == bindparam("wanted")))
WRITE = Prepared(insert(NoteRow).values(id=bindparam("id"), text=bindparam("text")))


async def test_what_is_run_belongs_to_the_transaction_even_as_its_first_statement(world):
    notes = world.resources()
    note = new_id()

    async def broken():
        async with transaction(notes.database, notes.wake) as tx:
            await WRITE.execute(tx, {"text": "lost", "id": note})
            assert (await FIND.first(tx, {"wanted": note}))["text"] == "lost"
            raise RuntimeError("after the write")

    with pytest.raises(RuntimeError, match="after the write"):
        await broken()
    assert world.count("notes") == 0


async def test_it_commits_together_with_what_the_session_writes(world):
    notes = world.resources()
    prepared, mapped = new_id(), new_id()
    async with transaction(notes.database, notes.wake) as tx:
        await WRITE.execute(tx, {"id": prepared, "text": "prepared"})
        tx.add(NoteRow(id=mapped, text="mapped"))
    async with transaction(notes.database, notes.wake) as tx:
        assert (await FIND.first(tx, {"wanted": prepared}))["text"] == "prepared"
        assert (await FIND.first(tx, {"wanted": mapped}))["text"] == "mapped"
        assert await FIND.first(tx, {"wanted": new_id()}) is None


async def test_a_refused_statement_leaves_the_connection_usable(world):
    notes = world.resources()
    note = new_id()

    async def twice():
        async with transaction(notes.database, notes.wake) as tx:
            for _ in range(2):
                await WRITE.execute(tx, {"id": note, "text": "same"})

    with pytest.raises(asyncpg.UniqueViolationError):
        await twice()
    async with transaction(notes.database, notes.wake) as tx:
        await WRITE.execute(tx, {"id": note, "text": "alone"})
    assert world.count("notes") == 1
