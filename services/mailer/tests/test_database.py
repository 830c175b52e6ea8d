from flowtask_local.service_world import apart
from flowtask_mailer.database import MIGRATIONS


async def test_the_models_and_the_migrated_schema_are_the_same(world):
    apart(lambda: MIGRATIONS.upgrade(world.database_url))
    apart(lambda: MIGRATIONS.check(world.database_url))
