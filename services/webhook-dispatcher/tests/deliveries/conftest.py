"""Rows of a day, and where they lie."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from flowtask_webhook_dispatcher.deliveries.identity import delivery_id, first_id_of
from flowtask_webhook_dispatcher.deliveries.partitions import TABLES, days_of, keep_partitions
from flowtask_webhook_dispatcher.deliveries.retention import Keep, drop_history


@pytest.fixture
async def today(pool):
    """The day on which the database was migrated, which midnight may have made yesterday; partitions begin the day before."""
    return min(await days_of(pool, TABLES[0])) + timedelta(days=1)


def event_of(day, number=1) -> UUID:
    """An event id in the middle of a day."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return UUID(int=first_id_of(noon).int | 0x7 << 76 | 0x2 << 62 | number)


@pytest.fixture
def insert(pool):
    """An event of a day with one delivery and one attempt."""

    async def make(day, endpoint_id=None, number=1):
        event, endpoint = event_of(day, number), endpoint_id or uuid4()
        await pool.execute(
            "INSERT INTO webhooks.messages (event_id, workspace_id, type, resource_id, stream_seq, payload)"
            " VALUES ($1, $1, 'task.created', '', 1, '')",
            event,
        )
        await pool.execute(
            "INSERT INTO webhooks.deliveries"
            " (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status, attempts)"
            " VALUES ($1, $2, $3, $1, 'task.created', '', 'delivered', 1)",
            event,
            endpoint,
            delivery_id(event, endpoint),
        )
        await pool.execute(
            "INSERT INTO webhooks.attempts (event_id, endpoint_id, attempt_no, trigger, at, duration_ms)"
            " VALUES ($1, $2, 1, 'schedule', now(), 1)",
            event,
            endpoint,
        )
        return event, endpoint

    return make


@pytest.fixture
def keep(pool, today):
    """Make the partitions of a day."""

    async def run(day=today, days=30, **more):
        async with pool.acquire() as connection:
            await keep_partitions(connection, day, Keep(days, days).oldest(day), **more)

    return run


@pytest.fixture
def partitions(sql):
    async def names():
        rows = await sql("SELECT relname FROM pg_class WHERE relnamespace = 'webhooks'::regnamespace AND relkind = 'r'")
        return {row["relname"] for row in rows}

    return names


@pytest.fixture
def where(sql):
    """The partition that holds an event's rows, by table."""

    async def look(event):
        rows = await sql(
            "SELECT tableoid::regclass::text AS name FROM webhooks.messages WHERE event_id = $1"
            " UNION ALL SELECT tableoid::regclass::text FROM webhooks.deliveries WHERE event_id = $1"
            " UNION ALL SELECT tableoid::regclass::text FROM webhooks.attempts WHERE event_id = $1",
            event,
        )
        return [row["name"].removeprefix("webhooks.") for row in rows]

    return look


@pytest.fixture
def drop(pool, today):
    """Drop what is past its age on a day."""

    async def run(day=today, days=30, attempts_days=30, **more):
        async with pool.acquire() as connection:
            await drop_history(connection, day, Keep(days, attempts_days), **more)

    return run


@pytest.fixture
def make_due(pool):
    """Have something of an event be due."""

    async def make(event, endpoint):
        await pool.execute(
            "INSERT INTO webhooks.due (delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at)"
            " VALUES ($1, $2, $3, 1, now())",
            delivery_id(event, endpoint),
            event,
            endpoint,
        )

    return make
