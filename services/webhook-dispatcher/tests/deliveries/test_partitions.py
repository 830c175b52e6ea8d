import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy.dialects import postgresql

from flowtask_webhook_dispatcher.deliveries.identity import delivery_id, first_id_of
from flowtask_webhook_dispatcher.deliveries.partitions import create_statements, keep_partitions, names_of
from flowtask_webhook_dispatcher.deliveries.queries import delivery as delivery_query

TODAY = datetime.now(UTC).date()


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
def keep(pool):
    async def run(today=TODAY):
        async with pool.acquire() as connection:
            await keep_partitions(connection, today)

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


def test_a_days_partitions_are_named_after_it():
    assert names_of(datetime(2026, 1, 2, tzinfo=UTC).date()) == [
        ("messages_p20260102", "messages"),
        ("deliveries_p20260102", "deliveries"),
        ("attempts_p20260102", "attempts"),
    ]


def test_the_bounds_of_neighbouring_days_meet():
    day = datetime(2026, 2, 28, tzinfo=UTC).date()
    one, next_one = create_statements(day)[0], create_statements(day + timedelta(days=1))[0]
    assert one.split("TO ")[1].strip("()") == next_one.split("FROM (")[1].split(")")[0].strip()


async def test_the_week_ahead_has_partitions_right_after_migrating(partitions):
    for offset in range(-1, 8):
        assert {name for name, _ in names_of(TODAY + timedelta(days=offset))} <= await partitions()


async def test_partitions_are_made_ahead_and_making_them_again_changes_nothing(keep, partitions):
    later = TODAY + timedelta(days=3)
    await keep(later)
    made = await partitions()
    assert {name for name, _ in names_of(later + timedelta(days=7))} <= made
    await keep(later)
    assert await partitions() == made


async def test_a_made_partition_has_the_indexes_of_a_migrated_one(keep, sql):
    await keep(TODAY + timedelta(days=1))
    rows = await sql(
        "SELECT tablename, count(*) AS indexes FROM pg_indexes WHERE tablename = ANY($1) GROUP BY 1",
        [name for name, _ in names_of(TODAY)] + [name for name, _ in names_of(TODAY + timedelta(days=8))],
    )
    counts = {row["tablename"]: row["indexes"] for row in rows}
    for (old, _), (new, _) in zip(names_of(TODAY), names_of(TODAY + timedelta(days=8)), strict=True):
        assert counts[old] == counts[new]


async def test_rows_stay_for_30_days_and_go_with_their_partition_after_that(keep, insert, where, partitions):
    event, _ = await insert(TODAY)
    await keep(TODAY + timedelta(days=30))
    assert len(await where(event)) == 3
    await keep(TODAY + timedelta(days=31))
    assert await where(event) == []
    assert not {name for name, _ in names_of(TODAY)} & await partitions()


async def test_a_day_in_which_something_is_due_is_kept_until_nothing_is(keep, insert, where, pool):
    event, endpoint = await insert(TODAY)
    await pool.execute(
        "INSERT INTO webhooks.due (delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at)"
        " VALUES ($1, $2, $3, 1, now())",
        delivery_id(event, endpoint),
        event,
        endpoint,
    )
    await keep(TODAY + timedelta(days=40))
    assert len(await where(event)) == 3
    await pool.execute("DELETE FROM webhooks.due")
    await keep(TODAY + timedelta(days=40))
    assert await where(event) == []


async def test_rows_outside_of_all_partitions_land_in_the_default_ones(insert, where):
    event, _ = await insert(TODAY + timedelta(days=20))
    assert await where(event) == ["messages_default", "deliveries_default", "attempts_default"]


async def test_rows_that_came_before_their_partition_move_into_it(keep, insert, where):
    late = TODAY + timedelta(days=20)
    event, _ = await insert(late)
    await keep(late)
    assert await where(event) == [name for name, _ in names_of(late)]


async def test_old_rows_of_the_default_partitions_go_too_unless_due(keep, insert, where, pool):
    old, _ = await insert(TODAY - timedelta(days=60))
    due, endpoint = await insert(TODAY - timedelta(days=61))
    await pool.execute(
        "INSERT INTO webhooks.due (delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at)"
        " VALUES ($1, $2, $3, 1, now())",
        delivery_id(due, endpoint),
        due,
        endpoint,
    )
    await keep()
    assert await where(old) == []
    assert len(await where(due)) == 3


async def test_two_replicas_may_keep_them_at_the_same_time(database_url, partitions):
    connections = [await asyncpg.connect(database_url) for _ in range(4)]
    day = TODAY + timedelta(days=33)
    await asyncio.gather(*(keep_partitions(connection, day) for connection in connections))
    for connection in connections:
        await connection.close()
    assert {name for name, _ in names_of(day + timedelta(days=7))} <= await partitions()


async def test_looking_a_delivery_up_by_its_id_touches_one_partition(insert, sql):
    event, endpoint = await insert(TODAY)
    found = delivery_id(event, endpoint)
    statement = delivery_query(event, found).compile(
        dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
    )
    plan = "\n".join(row[0] for row in await sql(f"EXPLAIN {statement}"))
    assert f"deliveries_p{TODAY:%Y%m%d}" in plan
    assert plan.count("deliveries_p") + plan.count("deliveries_default") == plan.count(f"deliveries_p{TODAY:%Y%m%d}")
