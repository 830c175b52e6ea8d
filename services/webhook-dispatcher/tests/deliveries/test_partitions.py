import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy.dialects import postgresql

from flowtask_webhook_dispatcher.deliveries.identity import delivery_id
from flowtask_webhook_dispatcher.deliveries.partitions import (
    DefaultPartitionIsFull,
    create_statements,
    keep_partitions,
    names_of,
)
from flowtask_webhook_dispatcher.deliveries.queries import delivery as delivery_query


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


async def test_the_week_ahead_has_partitions_right_after_migrating(partitions, today):
    assert today in {datetime.now(UTC).date() - timedelta(days=nights) for nights in (0, 1)}
    for offset in range(-1, 8):
        assert {name for name, _ in names_of(today + timedelta(days=offset))} <= await partitions()


async def test_partitions_are_made_ahead_and_making_them_again_changes_nothing(keep, partitions, today):
    later = today + timedelta(days=3)
    await keep(later)
    made = await partitions()
    assert {name for name, _ in names_of(later + timedelta(days=7))} <= made
    await keep(later)
    assert await partitions() == made


async def test_a_made_partition_has_the_indexes_of_a_migrated_one(keep, sql, today):
    await keep(today + timedelta(days=1))
    rows = await sql(
        "SELECT tablename, count(*) AS indexes FROM pg_indexes WHERE tablename = ANY($1) GROUP BY 1",
        [name for name, _ in names_of(today)] + [name for name, _ in names_of(today + timedelta(days=8))],
    )
    counts = {row["tablename"]: row["indexes"] for row in rows}
    for (old, _), (new, _) in zip(names_of(today), names_of(today + timedelta(days=8)), strict=True):
        assert counts[old] == counts[new]


async def test_rows_outside_of_all_partitions_land_in_the_default_ones(insert, where, today):
    event, _ = await insert(today + timedelta(days=20))
    assert await where(event) == ["messages_default", "deliveries_default", "attempts_default"]


async def test_rows_that_came_before_their_partition_move_into_it(keep, insert, where, today):
    late = today + timedelta(days=20)
    event, _ = await insert(late)
    await keep(late)
    assert await where(event) == [name for name, _ in names_of(late)]


@pytest.mark.parametrize("offset", [-20, -2, 0, 7])
async def test_a_day_of_which_rows_lie_in_the_default_partitions_is_made_all_the_same(
    keep, insert, where, offset, today, pool
):
    day = today + timedelta(days=offset)
    for name, _ in names_of(day):
        await pool.execute(f"DROP TABLE IF EXISTS webhooks.{name}")
    event, _ = await insert(day)
    assert await where(event) == ["messages_default", "deliveries_default", "attempts_default"]
    await keep()
    assert await where(event) == [name for name, _ in names_of(day)]
    late, _ = await insert(day, number=2)
    assert await where(late) == [name for name, _ in names_of(day)]


async def test_rows_of_days_that_are_not_kept_or_far_ahead_stay_where_they_are(keep, insert, where, partitions, today):
    for offset in (-31, 8, 4000):
        event, _ = await insert(today + timedelta(days=offset))
        before = await partitions()
        await keep()
        assert (await where(event))[0] == "messages_default"
        assert await partitions() == before


async def test_more_rows_than_may_be_moved_hold_up_neither_the_other_days_nor_their_own(
    keep, insert, where, partitions, today
):
    later, full = today + timedelta(days=20), today + timedelta(days=27)
    event, endpoint = await insert(full)
    for number in (2, 3):
        await insert(full, endpoint, number)
    with pytest.raises(DefaultPartitionIsFull, match=f"messages {full}, deliveries {full}, attempts {full}"):
        await keep(later, most=2)
    made = await partitions()
    assert {name for offset in range(7) for name, _ in names_of(later + timedelta(days=offset))} <= made
    assert not {name for name, _ in names_of(full)} & made
    assert await where(event) == ["messages_default", "deliveries_default", "attempts_default"]
    await insert(full, endpoint, 4)
    await keep(later)
    assert await where(event) == [name for name, _ in names_of(full)]


async def test_columns_that_are_added_later_move_too(keep, insert, where, pool, today):
    await pool.execute("ALTER TABLE webhooks.attempts DROP COLUMN error, ADD COLUMN added text DEFAULT 'x'")
    late = today + timedelta(days=20)
    event, _ = await insert(late)
    await pool.execute("UPDATE webhooks.attempts SET added = 'mine'")
    await keep(late)
    assert await where(event) == [name for name, _ in names_of(late)]
    assert await pool.fetchval("SELECT added FROM webhooks.attempts WHERE event_id = $1", event) == "mine"


async def test_two_replicas_may_keep_them_at_the_same_time(database_url, partitions, today):
    connections = [await asyncpg.connect(database_url) for _ in range(4)]
    day = today + timedelta(days=33)
    await asyncio.gather(*(keep_partitions(connection, day) for connection in connections))
    for connection in connections:
        await connection.close()
    assert {name for name, _ in names_of(day + timedelta(days=7))} <= await partitions()


async def test_looking_a_delivery_up_by_its_id_touches_one_partition(insert, sql, today):
    event, endpoint = await insert(today)
    found = delivery_id(event, endpoint)
    statement = delivery_query(event, found).compile(
        dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
    )
    plan = "\n".join(row[0] for row in await sql(f"EXPLAIN {statement}"))
    assert f"deliveries_p{today:%Y%m%d}" in plan
    assert plan.count("deliveries_p") + plan.count("deliveries_default") == plan.count(f"deliveries_p{today:%Y%m%d}")
