"""Services kept honest: each starts alone, holds its own secrets only, and can neither read nor say what is another's.

Whatever is tried here is tried with what stands in the service's own environment and nothing else.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx2
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from e2e.features import FEATURES
from flowtask_contracts.events import CloudEvent
from flowtask_contracts.topology import FLOWTASK, Service
from flowtask_kit.bootstrap.postgres import EXTENSIONS
from flowtask_kit.bus.connection import inbox_prefix
from flowtask_kit.ids import new_id, utc_now
from flowtask_local.credentials import OWNERS, READ
from flowtask_local.services import ServiceProcess
from flowtask_local.stack import Stack

CREDENTIALS = {name: f"stand-in-for-{name.lower()}" for names in OWNERS.values() for name in names} | {
    "FLOWTASK_CLERK_ISSUER": "https://clerk.stand-in.example",  # what is a URL is checked to be one
    "FLOWTASK_CLERK_JWKS_URL": "https://clerk.stand-in.example/keys.json",
    "FLOWTASK_CLERK_AUTHORIZED_PARTIES": "https://app.stand-in.example",
}


@dataclass(frozen=True)
class Alone:
    """The one service that runs, and what it was told."""

    service: Service
    process: ServiceProcess
    env: dict[str, str]

    @property
    def others(self) -> list[Service]:
        return [service for service in FLOWTASK.services if service != self.service]


@pytest.fixture(scope="module")
def stack(home: Path) -> Iterator[Stack]:
    """Servers, every schema and a demo user; no service runs. Every provider credential there is, is set."""
    with Stack(home, credentials=CREDENTIALS, durable=False) as servers:
        servers.start_servers()
        yield servers


@pytest.fixture(scope="module", params=[service.name for service in FLOWTASK.services])
def alone(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Alone]:
    """A service started with no other beside it, once it is ready."""
    name = request.param
    stack.start(name)
    process = stack.service(name)
    assert [each.name for each in stack.processes if each.running] == [name]
    yield Alone(FLOWTASK.service(name), process, stack.environment(name))
    process.terminate()


async def test_a_service_that_is_alone_is_ready_and_serves_its_probes(alone: Alone) -> None:
    async with httpx2.AsyncClient(base_url=alone.process.url, timeout=10) as client:
        for path in ("/livez", "/readyz", "/metrics"):
            answer = await client.get(path)
            assert answer.status_code == 200, f"{path}: {answer.text}"
        assert "flowtask_" in answer.text


# Secrets


def secrets_of(stack: Stack) -> dict[str, tuple[str, str | None]]:
    """Every secret of this machine by name, with the service that it belongs to; None when it is no service's."""
    by_schema = {service.schema: service.name for service in FLOWTASK.services}
    found: dict[str, tuple[str, str | None]] = {}
    for name, value in json.loads(stack.home.secrets_file.read_text()).items():
        kind, _, whose = name.partition(":")
        match kind:
            case "postgres" | "nats":
                found[name] = (value, whose)
            case "ring":
                found[name] = (value, by_schema[whose])
            case "seed":
                found[name] = (value["apiKey"], None)
            case _:
                found[name] = (value, None)
    owners = {name: owner for owner, names in OWNERS.items() for name in names}
    return found | {name: (value, owners[name] if name in READ else None) for name, value in CREDENTIALS.items()}


def processes_of_group(leader: int) -> list[Path]:
    found = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [path for path in found if _group(int(path.name)) == leader]


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_a_service_is_told_its_own_secrets_and_no_other(stack: Stack, alone: Alone) -> None:
    told = "\n".join(f"{name}={value}" for name, value in alone.env.items())
    for name, (secret, owner) in secrets_of(stack).items():
        assert (secret in told) == (owner == alone.service.name), name


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
def test_the_live_process_holds_its_own_secrets_and_no_other(stack: Stack, alone: Alone) -> None:
    assert alone.process.pid is not None
    living = processes_of_group(alone.process.pid)
    assert living
    for path in living:
        environ, arguments = (path / "environ").read_bytes(), (path / "cmdline").read_bytes()
        assert b"FLOWTASK_BOOTSTRAP_" not in environ
        for name, (secret, owner) in secrets_of(stack).items():
            assert (secret.encode() in environ) == (owner == alone.service.name), name
            assert secret.encode() not in arguments, name


# PostgreSQL


@asynccontextmanager
async def database(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


TABLES = """
    SELECT n.nspname AS schema, c.relkind::text AS kind, format('%I.%I', n.nspname, c.relname) AS name, c.oid AS oid,
           (SELECT quote_ident(a.attname) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum LIMIT 1) AS col
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""
PRIVILEGES = {"S": "has_sequence_privilege($1, $2::oid, 'USAGE, SELECT, UPDATE')"}
ANY_PRIVILEGE = """
    has_table_privilege($1, $2::oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
    OR has_any_column_privilege($1, $2::oid, 'SELECT, INSERT, UPDATE, REFERENCES')
"""


async def refused(connection: "asyncpg.Connection[asyncpg.Record]", statement: str) -> None:
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return
    pytest.fail(f"was not refused: {statement}")


def uses_of(table: asyncpg.Record) -> list[str]:
    """Every way to read or change a table."""
    name, column = table["name"], table["col"]
    if table["kind"] == "S":
        return [f"SELECT * FROM {name}", f"SELECT nextval('{name}')", f"SELECT setval('{name}', 1)"]
    return [
        f"SELECT * FROM {name} LIMIT 1",
        f"SELECT count(*) FROM {name}",
        f"COPY {name} TO STDOUT",
        f"INSERT INTO {name} DEFAULT VALUES",
        f"UPDATE {name} SET {column} = {column}",
        f"DELETE FROM {name}",
        f"TRUNCATE {name}",
        f"ALTER TABLE {name} ADD COLUMN forged integer",
        f"DROP TABLE {name}",
    ]


async def test_its_role_reads_its_own_tables_and_none_of_another_service(stack: Stack, alone: Alone) -> None:
    role, own = alone.service.role, alone.service.schema
    async with database(stack.postgres.url("flowtask")) as admin, database(alone.env["FLOWTASK_DATABASE_URL"]) as mine:
        assert await mine.fetchval("SELECT session_user || ' ' || current_user") == f"{role} {role}"
        tables = await admin.fetch(TABLES)
        assert {table["schema"] for table in tables} == {service.schema for service in FLOWTASK.services}
        for table in tables:
            if table["schema"] == own:
                await mine.fetch(f"SELECT * FROM {table['name']} LIMIT 1")
                continue
            for statement in uses_of(table):
                await refused(mine, statement)
            allowed = PRIVILEGES.get(table["kind"], ANY_PRIVILEGE)
            assert not await admin.fetchval(f"SELECT {allowed}", role, table["oid"]), table["name"]
        for schema in await admin.fetch("SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'"):
            name = schema["nspname"]
            if name not in {own, "information_schema"}:
                any_of = "CREATE" if name == EXTENSIONS else "USAGE, CREATE"
                may = await admin.fetchval("SELECT has_schema_privilege($1, $2, $3)", role, name, any_of)
                assert not may, name


async def test_its_role_makes_nothing_outside_its_schema_and_becomes_nobody_else(stack: Stack, alone: Alone) -> None:
    role, own = alone.service.role, alone.service.schema
    statements = [
        *("CREATE TABLE public.forged (id integer)", "CREATE FUNCTION public.forged() RETURNS int RETURN 1"),
        *("CREATE SCHEMA forged", "CREATE ROLE forged", "CREATE DATABASE forged"),
        *("CREATE TEMP TABLE forged (id integer)", "CREATE PUBLICATION forged FOR ALL TABLES"),
        *("SET ROLE postgres", "SET SESSION AUTHORIZATION postgres", "ALTER ROLE postgres PASSWORD 'forged'"),
        *(f"ALTER ROLE {role} SUPERUSER", f"ALTER ROLE {role} CREATEROLE", f"GRANT pg_read_all_data TO {role}"),
        *("SELECT * FROM pg_authid", "SELECT pg_read_file('PG_VERSION')", "COPY (SELECT 1) TO PROGRAM 'true'"),
    ]
    for other in alone.others:
        statements += [
            *(f"SET ROLE {other.role}", f"SET SESSION AUTHORIZATION {other.role}"),
            *(f"ALTER ROLE {other.role} PASSWORD 'forged'", f"GRANT {other.role} TO {role}", f"DROP ROLE {other.role}"),
            *(f"CREATE TABLE {other.schema}.forged (id integer)", f"DROP SCHEMA {other.schema} CASCADE"),
            *(f"ALTER SCHEMA {other.schema} OWNER TO {role}", f"GRANT USAGE ON SCHEMA {other.schema} TO {role}"),
        ]
    async with database(stack.postgres.url("flowtask")) as admin, database(alone.env["FLOWTASK_DATABASE_URL"]) as mine:
        for statement in statements:
            await refused(mine, statement)
        await refused(mine, f"SELECT pg_terminate_backend({admin.get_server_pid()})")
        seen = "SELECT DISTINCT query FROM pg_stat_activity WHERE usename <> current_user"
        assert {row["query"] for row in await mine.fetch(seen)} <= {"<insufficient privilege>"}
        rights = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
        assert not any(await admin.fetchrow(f"SELECT {rights} FROM pg_roles WHERE rolname = $1", role))
        assert not await admin.fetch("SELECT roleid FROM pg_auth_members WHERE member = $1::regrole", role)
        async with mine.transaction():  # what it may: its own schema is its own
            await mine.execute(f"CREATE TABLE {own}.made (id integer)")
            await mine.execute(f"DROP TABLE {own}.made")


# NATS


@dataclass
class Line:
    """One connection to the bus: what it heard, and what the server refused it, in lower case as the client tells it."""

    client: Client = field(default_factory=Client)
    heard: list[Msg] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    async def hear(self, message: Msg) -> None:
        self.heard.append(message)

    async def refuse(self, error: Exception) -> None:
        self.refusals.append(str(error).lower())

    async def connect(self, url: str, inbox: str) -> None:
        await self.client.connect(
            url,
            inbox_prefix=inbox,
            error_cb=self.refuse,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=10,
        )

    async def settled(self) -> None:
        """The server has taken all that was said so far; twice, for a ping overtakes what the client still buffers."""
        await self.client.flush()
        await self.client.flush()

    async def is_refused(self, what: str) -> bool:
        """Whether the server refuses what was just asked of it: it says so before it answers a later ping."""
        await self.settled()
        refused = [refusal for refusal in self.refusals if what.lower() in refusal]
        self.refusals.clear()
        return len(refused) == 1

    async def until_heard(self, subject: str) -> None:
        async with asyncio.timeout(10):
            while all(message.subject != subject for message in self.heard):
                await asyncio.sleep(0.005)  # between two looks at the condition


@asynccontextmanager
async def line(url: str, *, inbox: str = "_INBOX") -> AsyncIterator[Line]:
    made = Line()
    try:
        await made.connect(url, inbox)
        yield made
    finally:
        await made.client.close()


def admin_url(stack: Stack) -> str:
    return stack.nats.url("admin", stack._keys.nats_admin)


def concrete(pattern: str, token: str) -> str:
    """A subject that the pattern stands for."""
    return pattern.replace("*", token).replace(">", token)


def an_event(kind: str) -> CloudEvent:
    """An event of nobody's task; whoever hears it passes over it."""
    identity = new_id()
    return CloudEvent(
        id=identity,
        source="flowtask/tests",
        type=kind,
        subject=str(identity),
        time=utc_now(),
        workspaceid=identity,
        actor="system",
        aggregateversion=1,
        dataversion=1,
        data={"id": str(identity)},
    )


def foreign_subjects(alone: Alone, token: str) -> list[str]:
    """What belongs to other services, to the administrator or to nobody, as subjects one could try to say."""
    subjects = [f"events.{token}", f"internal.{token}.made", f"nobody.{token}", f"_INBOX.{token}", "$JS.API.INFO"]
    for other in alone.others:
        subjects += [concrete(pattern, token) for pattern in other.publishes]
        subjects += [f"wake.{other.name}", f"{inbox_prefix(other.name)}.{token}"]
        if other.name not in alone.service.asks:
            subjects.append(f"commands.{other.name}.{token}")
    for stream in FLOWTASK.streams:
        verbs = ("CREATE", "UPDATE", "DELETE", "SNAPSHOT", "RESTORE", "MSG.GET", "MSG.DELETE")
        subjects += [f"$JS.API.STREAM.{verb}.{stream.name}" for verb in verbs]
        if stream.cleared_by != alone.service.name:
            subjects += [f"$JS.API.{verb}.{stream.name}" for verb in ("STREAM.PURGE", "STREAM.INFO", "CONSUMER.LIST")]
        subjects += [f"$JS.API.DIRECT.GET.{stream.name}", f"$JS.API.CONSUMER.CREATE.{stream.name}"]
        subjects += [f"$JS.API.CONSUMER.{verb}.{stream.name}.{token}" for verb in ("CREATE", "DURABLE.CREATE")]
        subjects += [f"$JS.API.CONSUMER.CREATE.{stream.name}.{token}.{concrete(stream.subjects[0], token)}"]
    for durable in FLOWTASK.durables:
        place = f"{durable.stream}.{durable.name}"
        subjects += [f"$JS.API.CONSUMER.{verb}.{place}" for verb in ("DELETE", "CREATE", "DURABLE.CREATE", "PAUSE")]
        if durable.service != alone.service.name:
            subjects += [f"$JS.API.CONSUMER.{verb}.{place}" for verb in ("INFO", "MSG.NEXT")]
            subjects.append(f"$JS.ACK.{place}.1.1.1.1.0")
    return subjects


async def test_its_bus_user_can_say_nothing_that_is_another_services(stack: Stack, alone: Alone) -> None:
    """A refusal is proved by the server's answer, and by the administrator who hears everything but that."""
    token = f"forged-{new_id().hex}"
    forged = an_event(token)
    subjects = foreign_subjects(alone, token)
    inbox = inbox_prefix(alone.service.name)
    async with line(admin_url(stack)) as admin, line(alone.env["FLOWTASK_NATS_URL"], inbox=inbox) as mine:
        before = [await admin.client.jetstream().stream_info(stream.name) for stream in FLOWTASK.streams]
        await admin.client.subscribe(">", cb=admin.hear)
        await admin.settled()
        for subject in subjects:
            await mine.client.publish(subject, forged.to_json(), reply=f"{inbox}.{token}")
            assert await mine.is_refused(f'permissions violation for publish to "{subject}"'), subject
        await mine.client.publish(f"wake.{alone.service.name}", token.encode())
        await admin.until_heard(f"wake.{alone.service.name}")
        assert not [message.subject for message in admin.heard if str(forged.id).encode() in message.data]
        jetstream = admin.client.jetstream()
        for stream, known in zip(FLOWTASK.streams, before, strict=True):
            for subject in subjects:
                with pytest.raises(NotFoundError):
                    await jetstream.get_last_msg(stream.name, subject)
            assert (await jetstream.stream_info(stream.name)).config == known.config


async def test_its_bus_user_can_say_what_is_its_own(stack: Stack, alone: Alone) -> None:
    token = f"honest-{new_id().hex}"
    inbox, wake = inbox_prefix(alone.service.name), f"wake.{alone.service.name}"
    url = alone.env["FLOWTASK_NATS_URL"]
    async with line(admin_url(stack)) as admin, line(url, inbox=inbox) as mine, line(url, inbox=inbox) as twin:
        await admin.client.subscribe("commands.>", cb=admin.hear)
        await twin.client.subscribe(wake, cb=twin.hear)
        await asyncio.gather(admin.settled(), twin.settled())
        await mine.client.publish(wake)
        await twin.until_heard(wake)
        for asked in alone.service.asks:
            await mine.client.publish(f"commands.{asked}.{token}")
            await admin.until_heard(f"commands.{asked}.{token}")
        for pattern in alone.service.publishes:
            subject = concrete(pattern, token)
            stored = await mine.client.jetstream().publish(subject, an_event(subject.partition(".")[2]).to_json())
            assert stored.stream == subject.partition(".")[0].upper()
        for durable in FLOWTASK.durables_of(alone.service.name):
            info = await mine.client.jetstream().consumer_info(durable.stream, durable.name)
            assert info.name == durable.name
        assert mine.refusals == []


def foreign_patterns(alone: Alone) -> list[str]:
    """What one could try to listen to, beyond what is one's own."""
    patterns = [">", "*", "*.>", "events.>", "internal.>", "commands.>", "wake.>", "wake.*", "_INBOX.>"]
    patterns += ["$JS.>", "$JS.API.>", "$JS.ACK.>", "$JS.EVENT.>", "$SYS.>", *alone.service.publishes]
    for other in alone.others:
        patterns += [f"commands.{other.name}.>", f"wake.{other.name}", f"{inbox_prefix(other.name)}.>"]
        patterns += other.publishes
    return list(dict.fromkeys(patterns))


async def test_its_bus_user_hears_nothing_that_is_another_services(stack: Stack, alone: Alone) -> None:
    """What it was refused is then said by the administrator; the first thing it hears is what comes after."""
    token = f"overheard-{new_id().hex}"
    patterns = foreign_patterns(alone)
    inbox = inbox_prefix(alone.service.name)
    async with line(admin_url(stack)) as admin, line(alone.env["FLOWTASK_NATS_URL"], inbox=inbox) as mine:
        for pattern in patterns:
            await mine.client.subscribe(pattern, cb=mine.hear)
            assert await mine.is_refused(f'permissions violation for subscription to "{pattern}"'), pattern
        await mine.client.subscribe(f"{inbox}.{token}", cb=mine.hear)
        await mine.settled()
        assert mine.refusals == []

        for pattern in patterns:
            if not pattern.startswith("$"):
                await admin.client.publish(concrete(pattern, token), an_event("overheard.made").to_json())
        await admin.client.publish(f"{inbox}.{token}")
        await mine.until_heard(f"{inbox}.{token}")
        assert [message.subject for message in mine.heard] == [f"{inbox}.{token}"]


async def test_its_bus_password_opens_no_other_services_user(stack: Stack, alone: Alone) -> None:
    secret = alone.env["FLOWTASK_NATS_URL"].partition("@")[0].rpartition(":")[2]
    strangers = [stack.nats.url(user, secret) for user in ("admin", *(other.name for other in alone.others))]
    for url in (*strangers, stack.nats.url()):
        stranger = Line()
        with pytest.raises(nats.errors.NoServersError):
            await stranger.connect(url, "_INBOX")
        assert any("authorization" in refusal for refusal in stranger.refusals)
        await stranger.client.close()


# The api without the others


@pytest.mark.parametrize("alone", ["api"], indirect=True)
async def test_an_api_that_is_alone_misses_only_what_the_others_do(
    stack: Stack, alone: Alone, client: httpx2.AsyncClient
) -> None:
    assert alone.process.url in str(client.base_url)
    user = stack.seed()["userId"]
    project = (await client.post("/projects", json={"name": "Alone"})).json()["data"]
    body = {"title": "Alone", "projectId": project["id"], "assigneeId": user}
    created = await client.post("/tasks", json=body)
    assert created.status_code == 201, created.text
    task = f"/tasks/{created.json()['data']['id']}"
    assert (await client.put(task, json={"status": "DONE"})).json()["data"]["completedAt"] is not None
    for path in (task, "/tasks", "/projects", f"/projects/{project['id']}", "/me", "/api-keys"):
        assert (await client.get(path)).status_code == 200, path
    assert (await client.delete(task)).status_code == 204

    for path in FEATURES.values():
        answer = await client.get(path)
        assert answer.status_code == 503, f"{path}: {answer.text}"
        assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert answer.json()["error"]["retryAfter"] > 0
        assert int(answer.headers["retry-after"]) == answer.json()["error"]["retryAfter"]
        assert answer.elapsed.total_seconds() < 5
