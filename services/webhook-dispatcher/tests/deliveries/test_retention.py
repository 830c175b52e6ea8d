import asyncio
import time
from datetime import timedelta

import asyncpg
import pytest

from flowtask_webhook_dispatcher.deliveries.locks import Patience
from flowtask_webhook_dispatcher.deliveries.partitions import TABLES, names_of
from flowtask_webhook_dispatcher.deliveries.retention import Keep, drop_history


async def test_rows_stay_for_30_days_and_go_with_their_partition_after_that(drop, insert, where, partitions, today):
    event, _ = await insert(today)
    await drop(today + timedelta(days=30))
    assert len(await where(event)) == 3
    await drop(today + timedelta(days=31))
    assert await where(event) == []
    assert not {name for name, _ in names_of(today)} & await partitions()


async def test_attempts_may_be_kept_for_less_than_their_deliveries(drop, insert, where, today):
    event, _ = await insert(today)
    await drop(today + timedelta(days=8), days=30, attempts_days=7)
    assert [name.partition("_")[0] for name in await where(event)] == ["messages", "deliveries"]


async def test_attempts_go_no_later_than_their_deliveries(drop, insert, where, today):
    event, _ = await insert(today)
    await drop(today + timedelta(days=4), days=3, attempts_days=30)
    assert await where(event) == []


async def test_a_day_in_which_something_is_due_is_kept_until_nothing_is(drop, insert, where, make_due, pool, today):
    event, endpoint = await insert(today)
    other, _ = await insert(today + timedelta(days=1))
    await make_due(event, endpoint)
    await drop(today + timedelta(days=40), attempts_days=7)
    assert await where(event) == [name for name, _ in names_of(today)]
    assert await where(other) == []
    await pool.execute("DELETE FROM webhooks.due")
    await drop(today + timedelta(days=40))
    assert await where(event) == []


async def test_what_blocks_others_does_so_for_no_longer_than_its_day_is_kept(
    drop, insert, where, make_due, pool, today
):
    event, endpoint = await insert(today)
    await make_due(event, endpoint)
    await pool.execute("UPDATE webhooks.due SET blocked_at = now()")
    await drop(today + timedelta(days=30))
    assert len(await where(event)) == 3
    await drop(today + timedelta(days=31))
    assert await where(event) == []
    assert await pool.fetchval("SELECT count(*) FROM webhooks.due") == 0


async def test_old_rows_of_the_default_partitions_go_too_unless_due(drop, insert, where, make_due, today):
    old = [(await insert(today - timedelta(days=60), number=number))[0] for number in range(1, 6)]
    due, endpoint = await insert(today - timedelta(days=61))
    ahead, _ = await insert(today + timedelta(days=60))
    await make_due(due, endpoint)
    await drop(chunk=2)
    assert [await where(event) for event in old] == [[]] * 5
    assert len(await where(due)) == len(await where(ahead)) == 3


async def test_that_an_event_was_erased_is_known_for_as_long_as_there_are_events_of_its_day(drop, insert, today, sql):
    old, young, unfinished = [(await insert(today - timedelta(days=age)))[0] for age in (31, 30, 32)]
    for event in (old, young, unfinished):
        await sql("INSERT INTO webhooks.erased_events (event_id, due_at, finished_at) VALUES ($1, now(), now())", event)
    await sql("UPDATE webhooks.erased_events SET finished_at = NULL WHERE event_id = $1", unfinished)
    await drop()
    assert {row["event_id"] for row in await sql("SELECT event_id FROM webhooks.erased_events")} == {young, unfinished}


@pytest.mark.parametrize("table", TABLES)
async def test_a_reader_that_takes_its_time_is_stepped_back_from_and_nobody_waits_behind_us(
    table, drop, insert, database_url, partitions, today, pool
):
    """The long transaction holds a lock that dropping needs; what comes later would queue behind a patient dropper."""
    await insert(today)
    reader = await asyncpg.connect(database_url)
    await reader.execute("BEGIN")
    await reader.fetch(f"SELECT 1 FROM webhooks.{table} LIMIT 1")  # noqa: S608
    later = today + timedelta(days=31)
    dropping = asyncio.create_task(drop(later))
    waits = []
    for number in range(60):
        begun = time.monotonic()
        await insert(today + timedelta(days=1), number=number + 100)
        await pool.fetch(f"SELECT count(*) FROM webhooks.{table}")  # noqa: S608
        waits.append(time.monotonic() - begun)
        await asyncio.sleep(0.02)
    assert f"{table}_p{today:%Y%m%d}" in await partitions()
    assert max(waits) < 2.0  # three statements, and a dropper of 5 s would hold them up for as long
    assert not dropping.done()
    await reader.execute("COMMIT")
    await reader.close()
    await dropping
    assert f"{table}_p{today:%Y%m%d}" not in await partitions()


async def test_a_lock_that_is_never_to_be_had_ends_the_step_with_an_error(insert, database_url, today, partitions):
    await insert(today)
    reader, dropper = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    async with reader.transaction():
        await reader.fetch("SELECT 1 FROM webhooks.attempts")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await drop_history(dropper, today + timedelta(days=40), Keep(30, 30), patience=Patience(3, pause=0.01))
        assert f"attempts_p{today:%Y%m%d}" in await partitions()
    await drop_history(dropper, today + timedelta(days=40), Keep(30, 30))
    assert f"messages_p{today:%Y%m%d}" not in await partitions()
    await reader.close()
    await dropper.close()


async def test_what_becomes_due_while_we_wait_for_the_lock_is_kept(
    insert, make_due, database_url, today, where, drop, until, sql
):
    event, endpoint = await insert(today)
    await drop(today + timedelta(days=30))  # so that today's is the one that is waited for
    retrier = await asyncpg.connect(database_url)
    await retrier.execute("BEGIN")
    await retrier.fetch("SELECT 1 FROM webhooks.deliveries WHERE event_id = $1", event)
    dropping = asyncio.create_task(drop(today + timedelta(days=31)))
    waiting = "SELECT 1 FROM pg_locks WHERE relation = 'webhooks.deliveries'::regclass AND NOT granted"
    await until(lambda: sql(waiting))
    await make_due(event, endpoint)
    await retrier.execute("COMMIT")
    await retrier.close()
    await dropping
    assert [name.partition("_")[0] for name in await where(event)] == ["messages", "deliveries"]


async def test_many_may_drop_at_the_same_time(insert, drop, partitions, today):
    for offset in range(-1, 8):
        await insert(today + timedelta(days=offset))
    await asyncio.gather(*(drop(today + timedelta(days=60)) for _ in range(4)))
    assert {name for name in await partitions() if "_p2" in name} == set()


async def test_what_waits_to_be_replayed_expires_at_its_age_and_keeps_nothing_from_going(
    insert, make_due, keep, drop, today, sql, partitions
):
    old, endpoint = await insert(today)
    await keep(today + timedelta(days=1))
    young, _ = await insert(today + timedelta(days=1), endpoint)
    for event in (old, young):
        await make_due(event, endpoint)
    await sql("UPDATE webhooks.due SET trigger = 'replay', attempts = 1")
    await drop(today + timedelta(days=31))
    assert [row["event_id"] for row in await sql("SELECT event_id FROM webhooks.due")] == [young]
    assert f"deliveries_p{today:%Y%m%d}" not in await partitions()
