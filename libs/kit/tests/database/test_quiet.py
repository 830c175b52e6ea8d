from sqlalchemy import text

from flowtask_kit.database.quiet import database_clock, quiet_since
from flowtask_kit.database.transaction import transaction


async def test_it_is_quiet_when_every_transaction_that_began_before_has_ended(world):
    notes = world.resources()

    def begun():
        return transaction(notes.database, notes.wake)

    async def quiet(moment) -> bool:
        async with begun() as tx:
            return await quiet_since(tx, moment)

    async with begun() as old:
        await old.execute(text("SELECT 1"))
        async with begun() as tx:
            moment = await database_clock(tx)
            assert not await quiet_since(tx, moment), "its own transaction does not count, the old one does"
        async with begun() as new:
            await new.execute(text("SELECT 1"))
            assert not await quiet(moment)
            await old.rollback()
            assert await quiet(moment), "one that began later knows"
            assert not await quiet(await database_clock(new))


async def test_transactions_of_others_do_not_count(world):
    notes = world.resources()
    world.sql("BEGIN")
    world.sql("SELECT 1")
    async with transaction(notes.database, notes.wake) as tx:
        assert await quiet_since(tx, await database_clock(tx))
    world.sql("ROLLBACK")
