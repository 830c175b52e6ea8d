"""One PostgreSQL database and one NATS server as bootstrap leaves them, and the processes that use them."""

import asyncio
import threading
import time
from contextlib import contextmanager
from inspect import isawaitable

import asyncpg
import nats
from pydantic import SecretStr

from flowtask_kit.bootstrap.nats import bootstrap_nats, nats_authorization
from flowtask_kit.bootstrap.postgres import bootstrap_postgres
from flowtask_kit.service.resources import Resources
from flowtask_kit.settings import ServiceSettings

from .contracts import TOPOLOGY
from .database import MIGRATIONS

PASSWORDS = {"notes": "notes-secret", "front-desk": "desk-secret"}
ADMIN_PASSWORD = "admin-secret"
AUTHORIZATION = nats_authorization(TOPOLOGY, PASSWORDS, admin_password=ADMIN_PASSWORD)
DATABASE = "kit"


async def eventually(condition, timeout=60.0):  # noqa: ASYNC109 - a limit for the whole wait
    """The first true value of a condition, sync or async; fails when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, "it did not come to hold in time"
        await asyncio.sleep(0.02)


def prepare_database(postgres, database=DATABASE):
    """A bootstrapped and migrated database."""
    postgres.create_database(database)
    secrets = {name: SecretStr(password) for name, password in PASSWORDS.items()}
    asyncio.run(bootstrap_postgres(postgres.url(database), TOPOLOGY, secrets))
    MIGRATIONS.upgrade(postgres.url(database, user="flowtask_notes", password=PASSWORDS["notes"]))


def prepare_bus(server):
    """Streams and durables on a NATS server that has the authorization block."""
    asyncio.run(bootstrap_nats(server.url("admin", ADMIN_PASSWORD), TOPOLOGY, replicas=1))


class Administrator:
    """The superuser's session in the test's database; its calls block, as psql's would, and take a millisecond."""

    def __init__(self, postgres, database=DATABASE):
        self._url = postgres.url(database)
        self._loop = asyncio.new_event_loop()
        self._connection = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, script):
        """Run a script; the rows of a SELECT come back tab-separated."""
        return asyncio.run_coroutine_threadsafe(self._run(script), self._loop).result(30)

    async def _run(self, script):
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url)
        if not script.startswith("SELECT"):
            return await self._connection.execute(script)
        return "\n".join("\t".join(map(str, row)) for row in await self._connection.fetch(script))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        async def ended():
            if self._connection is not None:
                await self._connection.close(timeout=2)

        asyncio.run_coroutine_threadsafe(ended(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class World:
    """What a test meets; `close` ends what it has started."""

    def __init__(self, postgres, nats_server, administrator, database=DATABASE):
        self.postgres = postgres
        self.nats = nats_server
        self.database = database
        self._administrator = administrator
        self._resources = []
        self._clients = []

    def sql(self, script):
        return self._administrator.run(script)

    def count(self, table):
        return int(self.sql(f"SELECT count(*) FROM notes.{table}"))  # noqa: S608 - our own table

    @contextmanager
    def read_only(self):
        """The notes service meets a server that takes no writes, and on leaving one that does.

        Sessions keep what they began with, as they would after a failover behind one address: only new ones see the change.
        """
        self.sql("ALTER ROLE flowtask_notes SET default_transaction_read_only = on")
        self.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'flowtask_notes'")
        try:
            yield
        finally:
            self.sql("ALTER ROLE flowtask_notes RESET default_transaction_read_only")

    def settings(self, service="notes", **changes):
        values = {
            "database_url": self.postgres.url(
                self.database, user=TOPOLOGY.service(service).role, password=PASSWORDS[service]
            ),
            "nats_url": self.nats.url(service, PASSWORDS[service]),
        }
        return ServiceSettings(**{**values, **changes})

    def resources(self, service="notes", **changes):
        made = Resources.create(TOPOLOGY.service(service), self.settings(service, **changes))
        self._resources.append(made)
        return made

    async def connected(self, *several):
        """Connect the buses of resources and wait until their subscriptions stand."""
        for resources in several:
            resources.bus.start()
        for resources in several:
            await asyncio.wait_for(resources.bus.ready.wait(), 60)
        return several[0]

    async def client(self, user="admin", **options):
        password = ADMIN_PASSWORD if user == "admin" else PASSWORDS[user]
        prefix = b"_INBOX" if user == "admin" else f"_INBOX_{user}".encode()
        client = await nats.connect(self.nats.url(user, password), inbox_prefix=prefix, **options)
        self._clients.append(client)
        return client

    async def reset(self):
        """No rows, no messages."""
        tables = ("notes", "chores", "outbox", "command_records", "failed_messages", "job_runs")
        self.sql("TRUNCATE " + ", ".join(f"notes.{table}" for table in tables))
        jetstream = (await self.client()).jetstream()
        for stream in TOPOLOGY.streams:
            await jetstream.purge_stream(stream.name)

    async def stored(self, stream="EVENTS"):
        """The messages of a stream that somebody has not acknowledged yet, in order."""
        jetstream = (await self.client()).jetstream()
        state = (await jetstream.stream_info(stream)).state
        if not state.messages:
            return []
        return [await jetstream.get_msg(stream, seq) for seq in range(state.first_seq, state.last_seq + 1)]

    async def close(self):
        for resources in self._resources:
            await resources.background.stop()
            await resources.bus.stop()
            await resources.database.close()
        for client in self._clients:
            await client.close()
