import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest
from notes.database import NoteRow
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from flowtask_kit.database.engine import driver_url, plain_dsn
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id
from flowtask_kit.outages import is_outage

READ = text("SELECT 1")


async def use_at_once(notes, connections):
    """Have the pool open so many connections, and give them all back."""
    ready = asyncio.Barrier(connections)

    async def one():
        async with transaction(notes.database, notes.wake) as tx:
            await tx.execute(READ)
            await ready.wait()

    await asyncio.gather(*(one() for _ in range(connections)))


@pytest.mark.parametrize("ends", ["kill", "stop"])
async def test_connections_that_died_with_the_server_are_not_handed_out(mortal_world, ends):
    notes = mortal_world.resources(database_pool_size=5)
    await use_at_once(notes, 5)

    await asyncio.to_thread(getattr(mortal_world.postgres, ends))
    try:
        with pytest.raises((OSError, asyncpg.PostgresError, DBAPIError)) as away:
            await use_at_once(notes, 1)
        assert is_outage(away.value)
    finally:
        await asyncio.to_thread(mortal_world.postgres.start)

    await use_at_once(notes, 5)
    async with transaction(notes.database, notes.wake) as tx:
        tx.add(NoteRow(id=new_id(), text="after"))
    assert mortal_world.count("notes") == 1


async def test_a_connection_that_dies_in_a_transaction_is_an_outage_and_the_next_transaction_works(world):
    notes = world.resources(database_pool_size=1)

    async def interrupted():
        async with transaction(notes.database, notes.wake) as tx:
            pid = await tx.scalar(text("SELECT pg_backend_pid()"))
            world.sql(f"SELECT pg_terminate_backend({pid})")
            await tx.execute(READ)

    with pytest.raises(DBAPIError) as died:
        await interrupted()
    assert is_outage(died.value)

    async with transaction(notes.database, notes.wake) as tx:
        assert await tx.scalar(READ) == 1


async def test_connections_to_a_server_that_takes_no_writes_are_not_used_again(world):
    notes = world.resources(database_pool_size=5)

    async def write():
        async with transaction(notes.database, notes.wake) as tx:
            tx.add(NoteRow(id=new_id(), text="written"))

    with world.read_only():
        await use_at_once(notes, 5)
        with pytest.raises(DBAPIError) as refused:
            await write()
        assert is_outage(refused.value)
    await asyncio.gather(*(write() for _ in range(5)))
    assert world.count("notes") == 5


async def test_every_session_speaks_utc_and_has_its_limits(world):
    notes = world.resources()
    async with transaction(notes.database, notes.wake) as tx:
        assert [
            await tx.scalar(text(f"SHOW {name}")) for name in ("timezone", "statement_timeout", "lock_timeout")
        ] == [
            "UTC",
            "15s",
            "5s",
        ]
        assert await tx.scalar(text("SHOW idle_in_transaction_session_timeout")) == "10s"
        assert await tx.scalar(text("SHOW application_name")) == "flowtask-notes"
        assert (await tx.scalar(text("SELECT now()"))).tzinfo in {UTC, datetime.now(UTC).tzinfo}


def test_a_url_with_special_characters_means_the_same_to_every_driver():
    url = "postgresql://us%40er:p%40s%2Fs%25@localhost:5432/flow"
    assert driver_url(url).password == "p@s/s%"
    assert plain_dsn(url) == url
    assert plain_dsn("postgres://u:p@h/d") == "postgresql://u:p@h/d"
