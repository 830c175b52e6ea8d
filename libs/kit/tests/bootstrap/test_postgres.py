import asyncio

import asyncpg
import pytest
from notes.contracts import TOPOLOGY
from pydantic import SecretStr

from flowtask_contracts.topology import Service, Topology
from flowtask_kit.bootstrap.postgres import bootstrap_postgres

ONE = Service(name="one-part", schema="one")
TWO = Service(name="two-part", schema="two")
BOTH = Topology(services=(ONE, TWO), streams=(), durables=(), extensions=("pg_trgm",))
PASSWORDS = {"one-part": SecretStr("fir'st\\ %s\"1"), "two-part": SecretStr("second")}


@pytest.fixture
async def server(postgres_server):
    """A server with an empty database `boot`."""
    postgres_server.create_database("boot")
    yield postgres_server
    postgres_server.drop_database("boot")


async def login(server, service, password=None, database="boot"):
    return await asyncpg.connect(
        host="127.0.0.1",
        port=server.port,
        user=service.role,
        password=password or PASSWORDS[service.name].get_secret_value(),
        database=database,
    )


async def refused(server, service, statement):
    connection = await login(server, service)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_each_service_gets_a_role_that_owns_its_schema_and_works_in_it(server):
    await bootstrap_postgres(server.url("boot"), BOTH, PASSWORDS)
    for service in BOTH.services:
        connection = await login(server, service)
        await connection.execute("CREATE TABLE things (id int); INSERT INTO things VALUES (1)")
        assert await connection.fetchval(f"SELECT id FROM {service.schema}.things") == 1  # noqa: S608
        assert await connection.fetchval("SELECT current_schema()") == service.schema
        await connection.close()


async def test_it_can_be_repeated_and_keeps_what_is_there(server):
    await bootstrap_postgres(server.url("boot"), BOTH, PASSWORDS)
    connection = await login(server, ONE)
    await connection.execute("CREATE TABLE things (id int)")
    await connection.close()

    await bootstrap_postgres(server.url("boot"), BOTH, PASSWORDS)

    connection = await login(server, ONE)
    assert await connection.fetchval("SELECT count(*) FROM things") == 0
    await connection.close()


async def test_it_can_run_twice_at_once(server):
    await asyncio.gather(*(bootstrap_postgres(server.url("boot"), BOTH, PASSWORDS) for _ in range(3)))
    await (await login(server, TWO)).close()


async def test_a_changed_password_takes_effect(server):
    await bootstrap_postgres(server.url("boot"), BOTH, PASSWORDS)
    await bootstrap_postgres(server.url("boot"), BOTH, {**PASSWORDS, "two-part": SecretStr("changed")})
    with pytest.raises(asyncpg.InvalidPasswordError):
        await login(server, TWO)
    await (await login(server, TWO, "changed")).close()


async def test_a_missing_password_is_told_before_anything_is_made(server):
    with pytest.raises(KeyError, match="no role password for: two-part"):
        await bootstrap_postgres(server.url("boot"), BOTH, {"one-part": SecretStr("x")})
    assert server.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'one'", database="boot") == ""


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM two.things",
        "INSERT INTO two.things VALUES (1)",
        "CREATE TABLE two.more (id int)",
        "DROP TABLE two.things",
        "GRANT USAGE ON SCHEMA two TO PUBLIC",
        "CREATE TABLE public.more (id int)",
        "CREATE SCHEMA more",
        "CREATE TEMPORARY TABLE more (id int)",
        "CREATE ROLE more",
        "CREATE DATABASE more",
        "SET ROLE flowtask_two_part",
        "ALTER ROLE flowtask_two_part PASSWORD 'x'",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
async def test_a_role_can_do_nothing_outside_its_own_schema(server, statement):
    await bootstrap_postgres(server.url("boot"), BOTH, PASSWORDS)
    connection = await login(server, TWO)
    await connection.execute("CREATE TABLE IF NOT EXISTS two.things (id int)")
    await connection.close()

    await refused(server, ONE, statement)


async def test_a_role_cannot_connect_to_another_platforms_database(server, notes_postgres):
    await bootstrap_postgres(server.url("boot"), BOTH, PASSWORDS)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await login(notes_postgres, ONE, database="kit")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(server.url("boot", user=TOPOLOGY.service("notes").role, password="notes-secret"))


async def test_an_administrator_who_is_no_superuser_is_enough(server):
    server.sql(
        "CREATE ROLE overseer LOGIN CREATEROLE PASSWORD 'o'; CREATE DATABASE managed OWNER overseer TEMPLATE template0"
    )
    other = Topology(services=(Service(name="managed-part", schema="managed"),), streams=(), durables=())
    try:
        for password in ("a", "b"):
            url = server.url("managed", user="overseer", password="o")
            await bootstrap_postgres(url, other, {"managed-part": SecretStr(password)})
        connection = await login(server, other.services[0], "b", database="managed")
        await connection.execute("CREATE TABLE things (id int)")
        await connection.close()
    finally:
        server.drop_database("managed")
        server.sql("DROP ROLE flowtask_managed_part; DROP ROLE overseer")
