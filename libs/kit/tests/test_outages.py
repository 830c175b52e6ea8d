import errno

import asyncpg
import nats.errors
import nats.js.errors
import pytest
import sqlalchemy.exc
from notes.database import NoteRow
from sqlalchemy import text

from flowtask_contracts.errors import ServiceUnavailable
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outages import is_outage, is_timeout


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        OSError(errno.EHOSTUNREACH, "no route"),
        OSError("Multiple exceptions: [Errno 111] Connect call failed"),
        TimeoutError(),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.AdminShutdownError("bye"),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.DiskFullError("full"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.LockNotAvailableError("busy"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT in a read-only transaction"),
        asyncpg.IdleInTransactionSessionTimeoutError("too long"),
        asyncpg.PostgresError.new({"C": "25P04", "M": "transaction timeout"}),
        asyncpg.PostgresIOError("could not read block"),
        asyncpg.PostgresSystemError("could not fork"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        sqlalchemy.exc.TimeoutError("the pool is exhausted"),
        nats.errors.NoRespondersError(),
        nats.errors.ConnectionClosedError(),
        nats.errors.TimeoutError(),
        nats.js.errors.ServiceUnavailableError(),
    ],
)
def test_a_server_that_is_away_or_too_busy_is_an_outage(error):
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        KeyError(),
        ServiceUnavailable(),
        asyncpg.UniqueViolationError("twice"),
        asyncpg.UndefinedTableError("no such table"),
        asyncpg.InFailedSQLTransactionError("aborted"),
        asyncpg.InvalidPasswordError("wrong"),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (11) is in progress"),
        asyncpg.exceptions.DataError("invalid input for query argument $1: 'closed connection'"),
        nats.js.errors.BadRequestError(),
        nats.errors.BadSubjectError(),
        FileNotFoundError(),
        PermissionError(),
    ],
)
def test_a_fault_is_no_outage(error):
    assert not is_outage(error)


async def test_a_value_that_speaks_of_closed_connections_is_no_outage(world):
    notes = world.resources()

    async def wrong():
        async with transaction(notes.database, notes.wake) as tx:
            await tx.execute(text("SELECT CAST(:value AS int)"), {"value": "the connection is closed"})

    with pytest.raises(sqlalchemy.exc.DBAPIError) as refused:
        await wrong()
    assert not is_outage(refused.value)


@pytest.mark.parametrize(
    ("limit", "statement", "late"),
    [
        ("statement_timeout", "SELECT pg_sleep(10)", True),
        ("lock_timeout", "LOCK TABLE notes.notes", True),
        ("lock_timeout", "DO $$ BEGIN RAISE EXCEPTION 'bye' USING ERRCODE = '57P01'; END $$", False),
    ],
)
async def test_a_statement_that_took_too_long_is_told_from_a_server_that_is_away(world, limit, statement, late):
    notes = world.resources()
    async with transaction(notes.database, notes.wake) as holding:
        await holding.execute(text("LOCK TABLE notes.notes IN SHARE MODE"))
        async with notes.database.sessions() as tx:
            await tx.execute(text(f"SET LOCAL {limit} = '50ms'"))
            with pytest.raises(sqlalchemy.exc.DBAPIError) as ended:
                await tx.execute(text(statement))
    assert is_outage(ended.value)
    assert is_timeout(ended.value) is late


async def test_a_missing_table_is_no_outage(world):
    notes = world.resources("front-desk")

    async def foreign():
        async with transaction(notes.database, notes.wake) as tx:
            await tx.get(NoteRow, "00000000-0000-0000-0000-000000000000")

    with pytest.raises(sqlalchemy.exc.DBAPIError) as refused:
        await foreign()
    assert not is_outage(refused.value)
