"""Daily partitions of the history: made ahead, and dropped whole when their age is over."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from flowtask_kit import logs

from .identity import first_id_of

log = logs.get(__name__)

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[Any] | asyncpg.Connection[Any]"

TABLES = ("messages", "deliveries", "attempts")
DAYS_AHEAD = 7
DAYS_KEPT = 30
_LOCK = 0x77687061
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock($1)"


def names_of(day: date) -> list[tuple[str, str]]:
    """The partitions of a day, with their tables."""
    return [(f"{table}_p{day:%Y%m%d}", table) for table in TABLES]


def create_statements(day: date) -> list[str]:
    """DDL that makes a day's partitions where they are missing; ids of that UTC day belong there."""
    first, after = _bounds(day)
    return [
        f"CREATE TABLE IF NOT EXISTS webhooks.{name} PARTITION OF webhooks.{table}"
        f" FOR VALUES FROM ('{first}') TO ('{after}')"
        for name, table in names_of(day)
    ]


async def keep_partitions(connection: Connection, today: date) -> None:
    """Make the partitions from yesterday to a week ahead, and drop those older than 30 days in which nothing is due.

    Runs on every replica; one does it at a time and the others find it done. Rows that came to the default partition
    before their own was there move into it, or go when their age is over.
    """
    async with connection.transaction():
        await connection.execute(_ONE_AT_A_TIME, _LOCK)
        there = await _names(connection)
        for offset in range(-1, DAYS_AHEAD + 1):
            day = today + timedelta(days=offset)
            for name, table in names_of(day):
                if name not in there:
                    await _make(connection, name, table, day)
    oldest = today - timedelta(days=DAYS_KEPT)
    days = {datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date() for name in there}
    for day in sorted(day for day in days if day < oldest):
        await _drop(connection, day)
    for table in TABLES:
        await connection.execute(_FORGET.format(table=table), _bounds(oldest)[0])


_FORGET = """
    DELETE FROM webhooks.{table}_default old
    WHERE event_id < $1 AND NOT EXISTS (SELECT FROM webhooks.due d WHERE d.event_id = old.event_id)
"""


def _bounds(day: date) -> tuple[UUID, UUID]:
    """The first id of a UTC day, and the first one after it."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return first_id_of(begin), first_id_of(begin + timedelta(days=1))


async def _names(connection: Connection) -> set[str]:
    rows = await connection.fetch(
        r"""
        SELECT c.relname FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
        WHERE p.relnamespace = 'webhooks'::regnamespace AND p.relname = ANY($1) AND c.relname ~ '_p\d{8}$'
        """,
        list(TABLES),
    )
    return {row["relname"] for row in rows}


async def _make(connection: Connection, name: str, table: str, day: date) -> None:
    """Attached rather than created in place: readers and writers of the other days are not held up."""
    first, after = _bounds(day)
    await connection.execute(f"LOCK TABLE webhooks.{table}_default IN ACCESS EXCLUSIVE MODE")
    await connection.execute(f"CREATE TABLE webhooks.{name} (LIKE webhooks.{table} INCLUDING ALL)")
    await connection.execute(
        f"WITH early AS (DELETE FROM webhooks.{table}_default WHERE event_id >= $1 AND event_id < $2 RETURNING *)"  # noqa: S608
        f" INSERT INTO webhooks.{name} SELECT * FROM early",
        first,
        after,
    )
    await connection.execute(
        f"ALTER TABLE webhooks.{table} ATTACH PARTITION webhooks.{name} FOR VALUES FROM ('{first}') TO ('{after}')"
    )


async def _drop(connection: Connection, day: date) -> None:
    """Table by table, each in its own transaction, so that no reader of two of them can meet us crosswise."""
    for name, _ in reversed(names_of(day)):
        async with connection.transaction():
            await connection.execute(_ONE_AT_A_TIME, _LOCK)
            there = await connection.fetchval("SELECT to_regclass($1)", f"webhooks.{name}")
            if there is None:
                continue
            # Whoever makes something of that day due has read the delivery first; from here on nobody can.
            await connection.execute(f"LOCK TABLE webhooks.{name} IN ACCESS EXCLUSIVE MODE")
            if await connection.fetchval(_STILL_DUE, *_bounds(day)):
                log.info("history kept beyond its age: something is still due", day=str(day))
                return
            await connection.execute(f"DROP TABLE webhooks.{name}")
            log.info("history dropped", partition=name)


_STILL_DUE = "SELECT EXISTS (SELECT FROM webhooks.due WHERE event_id >= $1 AND event_id < $2)"
