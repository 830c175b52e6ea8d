import asyncio

import asyncpg
import pytest
from notes.database import NoteRow
from sqlalchemy import bindparam, insert, select, text

from flowtask_kit.database.direct import Direct, _Places
from flowtask_kit.database.engine import plain_dsn
from flowtask_kit.database.prepared import Prepared
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id
from flowtask_kit.outages import is_outage

FIND = Prepared(select(NoteRow.text).where(NoteRow.id == bindparam("id")))
WRITE = Prepared(insert(NoteRow).values(id=bindparam("id"), text=bindparam("text")))
BACKEND = Prepared(text("SELECT pg_backend_pid() AS pid"))
PLANS = Prepared(text("SELECT current_setting('plan_cache_mode') AS mode"))
PLANS_ANEW = Prepared(text("SELECT current_setting('plan_cache_mode') AS mode, 1 AS other"), anew=True)


@pytest.fixture
async def notes(world):
    """The service, with few connections."""
    resources = world.resources(database_pool_size=2)
    yield resources
    await resources.direct.close()


async def backend(direct):
    return (await BACKEND.first(direct, {}))["pid"]


async def failure(direct):
    """What the next statement fails with, None when it does not."""
    try:
        await backend(direct)
    except Exception as error:  # noqa: BLE001 - the test says what it must be
        return error
    return None


async def test_a_statement_of_its_own_is_committed(notes, world):
    note = new_id()
    await WRITE.execute(notes.direct, {"id": note, "text": "kept"})
    assert world.count("notes") == 1
    assert (await FIND.first(notes.direct, {"id": note}))["text"] == "kept"
    assert [row["text"] for row in await FIND.all(notes.direct, {"id": note})] == ["kept"]
    assert await FIND.first(notes.direct, {"id": new_id()}) is None


async def test_a_transaction_commits_all_of_it_and_wakes_the_relays_when_it_says_so(notes, world):
    async with notes.direct.transaction(notes.wake) as tx:
        await WRITE.execute(tx, {"id": new_id(), "text": "one"})
        await WRITE.execute(tx, {"id": new_id(), "text": "two"})
        assert world.count("notes") == 0
    assert world.count("notes") == 2
    assert not notes.wake.flag.is_set()
    async with notes.direct.transaction(notes.wake) as tx:
        await WRITE.execute(tx, {"id": new_id(), "text": "three"})
        tx.wakes = True
    assert notes.wake.flag.is_set()


async def test_an_error_rolls_back_and_the_connection_is_used_again(notes, world):
    before = await backend(notes.direct)

    async def broken(error):
        async with notes.direct.transaction(notes.wake) as tx:
            await WRITE.execute(tx, {"id": new_id(), "text": "lost"})
            tx.wakes = True
            raise error

    with pytest.raises(ZeroDivisionError):
        await broken(ZeroDivisionError())
    assert (world.count("notes"), notes.wake.flag.is_set()) == (0, False)
    assert await backend(notes.direct) == before


async def test_a_statement_that_failed_and_was_swallowed_makes_the_commit_fail(notes, world):
    note = new_id()

    async def swallowing():
        async with notes.direct.transaction(notes.wake) as tx:
            await WRITE.execute(tx, {"id": note, "text": "one"})
            with pytest.raises(asyncpg.UniqueViolationError):
                await WRITE.execute(tx, {"id": note, "text": "again"})

    with pytest.raises(RuntimeError, match="before its commit"):
        await swallowing()
    assert world.count("notes") == 0


async def test_a_transaction_without_statements_takes_no_connection(notes):
    async with (
        notes.direct.transaction(notes.wake),
        notes.direct.transaction(notes.wake),
        notes.direct.transaction(notes.wake),
    ):
        assert await backend(notes.direct)


async def test_a_last_statement_that_is_the_first_commits_at_once_and_nothing_may_follow(notes, world):
    async with notes.direct.transaction(notes.wake) as tx:
        await WRITE.conclude(tx, {"id": new_id(), "text": "one"})
        tx.wakes = True
        assert (world.count("notes"), notes.wake.flag.is_set()) == (1, False)
        with pytest.raises(RuntimeError, match="last statement"):
            await WRITE.execute(tx, {"id": new_id(), "text": "two"})
    assert (world.count("notes"), notes.wake.flag.is_set()) == (1, True)


async def test_a_last_statement_after_others_commits_with_them(notes, world):
    async def broken():
        async with notes.direct.transaction(notes.wake) as tx:
            await WRITE.execute(tx, {"id": new_id(), "text": "one"})
            await WRITE.conclude(tx, {"id": new_id(), "text": "two"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    assert world.count("notes") == 0
    async with notes.direct.transaction(notes.wake) as tx:
        await WRITE.execute(tx, {"id": new_id(), "text": "one"})
        await WRITE.conclude(tx, {"id": new_id(), "text": "two"})
    assert world.count("notes") == 2


async def test_no_more_connections_are_made_than_allowed(notes):
    seen = set()

    async def one():
        async with notes.direct.transaction(notes.wake) as tx:
            seen.add((await BACKEND.first(tx, {}))["pid"])
            await tx.execute("SELECT pg_sleep(0.01)")

    await asyncio.gather(*(one() for _ in range(20)))
    assert len(seen) == 2


async def test_waiting_for_a_connection_ends(notes):
    dsn = plain_dsn(notes.settings.database_url.get_secret_value())
    direct = Direct(dsn, size=1, name="impatient", wait=0.05)
    async with direct.transaction(notes.wake) as tx:
        lent = (await BACKEND.first(tx, {}))["pid"]
        with pytest.raises(TimeoutError) as waited:
            await backend(direct)
    assert is_outage(waited.value)
    assert await backend(direct) == lent
    await direct.close()


async def test_whoever_is_cancelled_takes_the_connection_along_and_leaves_its_place(notes, world):
    async def hanging():
        async with notes.direct.transaction(notes.wake) as tx:
            await WRITE.execute(tx, {"id": new_id(), "text": "lost"})
            await tx.execute("SELECT pg_sleep(60)")

    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hanging(), 0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(notes.direct.execute("SELECT pg_sleep(60)"), 0.1)
    await asyncio.gather(backend(notes.direct), backend(notes.direct))
    assert world.count("notes") == 0


async def test_after_an_outage_it_goes_on_by_itself(mortal_world):
    direct = mortal_world.resources().direct
    assert await backend(direct)
    await asyncio.to_thread(mortal_world.postgres.kill)
    assert is_outage(await failure(direct))
    await asyncio.to_thread(mortal_world.postgres.start)
    assert await backend(direct)
    await direct.close()


async def test_a_connection_that_the_server_ended_is_an_outage_once_at_most(notes, world):
    ended = await backend(notes.direct)
    world.sql(f"SELECT pg_terminate_backend({ended}, 5000)")
    failed = await failure(notes.direct)
    assert failed is None or is_outage(failed)
    assert await backend(notes.direct) != ended


@pytest.mark.parametrize("inside", ["a statement of its own", "a transaction", "a session"])
async def test_a_connection_to_a_server_that_takes_no_writes_is_not_used_again(notes, world, inside):
    async def write():
        note = {"id": new_id(), "text": "written"}
        if inside == "a statement of its own":
            await WRITE.execute(notes.direct, note)
        elif inside == "a transaction":
            async with notes.direct.transaction(notes.wake) as tx:
                await WRITE.execute(tx, note)
        else:
            async with transaction(notes.database, notes.wake) as tx:
                await WRITE.execute(tx, note)

    with world.read_only():
        for _ in range(3):
            assert await BACKEND.first(notes.direct, {})  # reading goes on
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as refused:
                await write()
            assert is_outage(refused.value)
    await write()
    assert world.count("notes") == 1


async def test_free_connections_to_a_server_that_takes_no_writes_go_with_the_first_that_tells(notes, world):
    with world.read_only():
        await asyncio.gather(*(notes.direct.execute("SELECT pg_sleep(0.1)") for _ in range(2)))
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await WRITE.execute(notes.direct, {"id": new_id(), "text": "refused"})
    await asyncio.gather(*(WRITE.execute(notes.direct, {"id": new_id(), "text": "written"}) for _ in range(2)))
    assert world.count("notes") == 2


async def test_statements_that_ask_for_it_are_planned_for_their_own_values(notes):
    for statement, mode in ((PLANS, "auto"), (PLANS_ANEW, "force_custom_plan"), (PLANS, "auto")):
        assert (await statement.first(notes.direct, {}))["mode"] == mode
    async with notes.direct.transaction(notes.wake) as tx:
        assert (await PLANS_ANEW.first(tx, {}))["mode"] == "auto"


async def test_after_closing_nothing_stays_open(notes, world):
    await asyncio.gather(backend(notes.direct), backend(notes.direct))
    await notes.direct.close()
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'flowtask-notes-direct'"
    async with asyncio.timeout(10):
        while int(world.sql(left)):
            await asyncio.sleep(0.02)


def test_a_pool_is_made_without_a_loop():
    assert Direct("postgresql://nobody@127.0.0.1:1/none", size=1, name="none")


async def test_a_place_that_comes_to_somebody_who_has_just_gone_goes_to_the_next():
    places, served = _Places(1), []
    await places.take(60)

    async def wait(name):
        await places.take(60)
        served.append(name)

    first, second = asyncio.create_task(wait("first")), asyncio.create_task(wait("second"))
    await asyncio.sleep(0)
    places.give_back()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert served == ["second"]


async def test_a_place_that_did_not_come_in_time_is_not_lost():
    places = _Places(1)
    await places.take(60)
    with pytest.raises(TimeoutError):
        await places.take(0.01)
    places.give_back()
    await places.take(0.01)
