"""Daily partitions of the history: made ahead, and dropped whole when their age is over."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from flowtask_kit import logs

from .identity import first_id_of

log = logs.get(__name__)

TABLES = ("messages", "deliveries", "attempts")
DAYS_AHEAD = 7
DAYS_KEPT = 30
_LOCK = 0x77687061


def names_of(day: date) -> list[tuple[str, str]]:
    """The partitions of a day, with their tables."""
    return [(f"{table}_p{day:%Y%m%d}", table) for table in TABLES]


def create_statements(day: date) -> list[str]:
    """DDL that makes a day's partitions where they are missing; ids of that UTC day belong there."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    first, after = first_id_of(begin), first_id_of(begin + timedelta(days=1))
    return [
        f"CREATE TABLE IF NOT EXISTS webhooks.{name} PARTITION OF webhooks.{table}"
        f" FOR VALUES FROM ('{first}') TO ('{after}')"
        for name, table in names_of(day)
    ]


async def keep_partitions(connection: "asyncpg.pool.PoolConnectionProxy[Any]", today: date) -> None:
    """Make the partitions from yesterday to a week ahead, and drop those older than 30 days in which nothing is due.

    Runs on every replica; one does it at a time and the others find it done.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        for offset in range(-1, DAYS_AHEAD + 1):
            for statement in create_statements(today + timedelta(days=offset)):
                await connection.execute(statement)
        for day in await _days(connection):
            if day < today - timedelta(days=DAYS_KEPT):
                await _drop(connection, day)


async def _days(connection: "asyncpg.pool.PoolConnectionProxy[Any]") -> list[date]:
    rows = await connection.fetch(
        r"""
        SELECT substring(c.relname FROM 'messages_p(\d{8})') AS day
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'webhooks.messages'::regclass AND c.relname ~ '^messages_p\d{8}$'
        """
    )
    return [datetime.strptime(row["day"], "%Y%m%d").replace(tzinfo=UTC).date() for row in rows]


async def _drop(connection: "asyncpg.pool.PoolConnectionProxy[Any]", day: date) -> None:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    still_due = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM webhooks.due WHERE event_id >= $1 AND event_id < $2)",
        first_id_of(begin),
        first_id_of(begin + timedelta(days=1)),
    )
    if still_due:
        log.info("history kept beyond its age: something is still due", day=str(day))
        return
    for name, _ in names_of(day):
        await connection.execute(f"DROP TABLE IF EXISTS webhooks.{name}")
    log.info("history dropped", day=str(day))
