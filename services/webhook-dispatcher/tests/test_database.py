import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from flowtask_kit.database.engine import driver_url
from flowtask_kit.database.migrations import SchemaCheck
from flowtask_webhook_dispatcher.database import MIGRATIONS


def test_the_models_and_the_migrated_schema_are_the_same(database_url, in_a_thread):
    in_a_thread(lambda: MIGRATIONS.check(database_url))


def test_migrating_again_changes_nothing(database_url, in_a_thread):
    in_a_thread(lambda: MIGRATIONS.upgrade(database_url))
    in_a_thread(lambda: MIGRATIONS.check(database_url))


async def test_the_migrated_schema_is_the_one_this_version_needs(database_url):
    engine = create_async_engine(driver_url(database_url))
    assert await SchemaCheck(engine, MIGRATIONS).current()
    await engine.dispose()


async def test_the_role_owns_its_schema_and_sees_no_other(sql):
    schemas = await sql(
        "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(oid, 'USAGE') AND nspname !~ '^pg_'"
    )
    assert {row["nspname"] for row in schemas} == {"webhooks", "extensions", "information_schema"}
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql("CREATE TABLE public.mine (id int)")


async def test_there_is_one_revision_and_no_second_can_be_added(sql):
    assert [row["revision"] for row in await sql("SELECT revision FROM webhooks.endpoint_revision")] == [0]
    with pytest.raises(asyncpg.UniqueViolationError):
        await sql("INSERT INTO webhooks.endpoint_revision (revision) VALUES (1)")
    with pytest.raises(asyncpg.CheckViolationError):
        await sql("INSERT INTO webhooks.endpoint_revision (one, revision) VALUES (false, 1)")
