from flowtask_billing.database import MIGRATIONS
from flowtask_local.service_world import apart


async def test_the_models_and_the_migrated_schema_are_the_same(world):
    apart(lambda: MIGRATIONS.upgrade(world.database_url))
    apart(lambda: MIGRATIONS.check(world.database_url))
