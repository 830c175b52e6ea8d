"""A real PostgreSQL, the API on top of it, and callers with keys of their own."""

import asyncio
import contextlib
import hashlib
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import nats
import orjson
import pytest
from fastapi import FastAPI, Request
from pydantic import SecretStr

from flowtask_api.accounts import service as accounts
from flowtask_api.accounts.errors import WorkspaceNotFound
from flowtask_api.api_keys import service as api_keys
from flowtask_api.app import create_app
from flowtask_api.auth.models import Caller, Proven
from flowtask_api.database import MIGRATIONS
from flowtask_api.rate_limits.models import Quota
from flowtask_api.settings import ApiSettings
from flowtask_contracts.errors import FlowTaskError
from flowtask_contracts.resources import Plan, Role
from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.bootstrap.postgres import bootstrap_postgres
from flowtask_kit.database.direct import Direct
from flowtask_kit.database.transaction import transaction
from flowtask_local.ports import free_port
from flowtask_local.postgres import EmbeddedPostgres
from flowtask_local.testing import (  # noqa: F401 - fixtures are found by their names here
    nats_authorization,
    nats_server,
    nats_server_factory,
    postgres_server,
)

PASSWORDS = {service.name: SecretStr("secret") for service in FLOWTASK.services}
NOBODY_LISTENS = "nats://api:api@127.0.0.1:1"


@dataclass(frozen=True)
class Databases:
    """The URLs of one module's database."""

    admin: str
    api: str


@dataclass(frozen=True)
class Account:
    """A user with a workspace and a key."""

    user_id: UUID
    workspace_id: UUID
    key: str
    email: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


Outbox = Callable[[UUID], Awaitable[list[dict[str, Any]]]]


def _bootstrap(server: EmbeddedPostgres, name: str) -> Databases:
    asyncio.run(bootstrap_postgres(server.url(name), FLOWTASK, PASSWORDS))
    return Databases(server.url(name), server.url(name, user="flowtask_api", password="secret"))


@pytest.fixture(scope="session")
def template_database(postgres_server: EmbeddedPostgres) -> str:  # noqa: F811
    """A database that the real bootstrap and the real migrations made."""
    postgres_server.create_database("api_template")
    MIGRATIONS.upgrade(_bootstrap(postgres_server, "api_template").api)
    return "api_template"


@pytest.fixture(scope="module")
def databases(postgres_server: EmbeddedPostgres, template_database: str) -> Databases:  # noqa: F811
    """A copy of it for each module."""
    name = f"api_{secrets.token_hex(4)}"

    async def copy() -> None:
        connection = await asyncpg.connect(postgres_server.url())
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY file_copy")
        await connection.close()

    asyncio.run(copy())
    return _bootstrap(postgres_server, name)


@pytest.fixture
async def db(databases: Databases) -> AsyncIterator[asyncpg.Connection]:
    """An administrator's connection, for looking and for breaking things."""
    connection = await asyncpg.connect(databases.admin)
    yield connection
    await connection.close()


@pytest.fixture
def nats_url() -> str:
    """No NATS; a module that needs one overrides this."""
    return NOBODY_LISTENS


@pytest.fixture
def settings(databases: Databases, nats_url: str) -> ApiSettings:
    return ApiSettings(
        database_url=SecretStr(databases.api),
        nats_url=SecretStr(nats_url),
        key_use_flush_seconds=60.0,
        deletion_poll_seconds=0.2,
        database_pool_size=5,
        rate_limits={"FREE": (1_000_000, 1_000_000)},
        failed_authentications=1_000_000,
        log_level="error",
    )


@pytest.fixture
async def app(settings: ApiSettings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@contextlib.asynccontextmanager
async def calling(app: FastAPI, headers: dict[str, str] | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
        yield client


@pytest.fixture
def make_account(app: FastAPI) -> Callable[..., Awaitable[Account]]:
    """Makes a user in a workspace of their own, with a key."""

    async def make(email: str | None = None, *, operator: bool = False) -> Account:
        resources = app.state.resources
        email = email or f"{secrets.token_hex(6)}@example.com"
        async with transaction(resources.database, resources.wake) as tx:
            user_id, workspace_id = await accounts.create_user(tx, email=email, name="Ada")
            key = await api_keys.create_key(
                tx, workspace_id=workspace_id, user_id=user_id, name="tests", operator=operator
            )
        return Account(user_id, workspace_id, key.key, email)

    return make


@pytest.fixture
def make_member(
    db: asyncpg.Connection, make_account: Callable[..., Awaitable[Account]], account: Account
) -> Callable[[str], Awaitable[Account]]:
    """Makes another user who has a place and a key in the account's workspace."""

    async def make(role: str) -> Account:
        other = await make_account()
        await db.execute(
            "INSERT INTO api.memberships VALUES ($1, $2, $3, now())", account.workspace_id, other.user_id, role
        )
        key = "ft_" + secrets.token_hex(32)
        await db.execute(
            "INSERT INTO api.api_keys (id, workspace_id, user_id, name, digest, last4, operator, created_at)"
            " VALUES (gen_random_uuid(), $1, $2, 'theirs', $3, $4, false, now())",
            account.workspace_id,
            other.user_id,
            hashlib.sha256(key.encode()).digest(),
            key[-4:],
        )
        return Account(other.user_id, account.workspace_id, key, other.email)

    return make


@pytest.fixture
def make_key(app: FastAPI) -> Callable[..., Awaitable[dict[str, str]]]:
    """Makes a key of an account with the scopes that are named; the headers to call with it."""

    async def make(account: Account, *scopes: str, **options: Any) -> dict[str, str]:
        resources = app.state.resources
        async with transaction(resources.database, resources.wake) as tx:
            key = await api_keys.create_key(
                tx, workspace_id=account.workspace_id, user_id=account.user_id, name="k", scopes=scopes, **options
            )
        return {"Authorization": f"Bearer {key.key}"}

    return make


@pytest.fixture
async def account(make_account: Callable[..., Awaitable[Account]]) -> Account:
    return await make_account()


@pytest.fixture
async def client(app: FastAPI, account: Account) -> AsyncIterator[httpx2.AsyncClient]:
    """Calls with the account's key."""
    async with calling(app, account.headers) as client:
        yield client


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Calls without a key."""
    async with calling(app) as client:
        yield client


@pytest.fixture
async def neighbour(app: FastAPI, make_account: Callable[..., Awaitable[Account]]) -> AsyncIterator[httpx2.AsyncClient]:
    """Calls with a key of another workspace."""
    async with calling(app, (await make_account()).headers) as client:
        yield client


class SignedIn:
    """Stands in for a session of a person: the header names the user, who acts in their personal workspace."""

    HEADER = "x-signed-in"

    async def __call__(self, _direct: Direct, request: Request) -> Proven | None:
        user_id = request.headers.get(self.HEADER)
        if user_id is None:
            return None
        try:
            async with request.app.state.resources.database.sessions.begin() as tx:
                workspace_id = await accounts.own_workspace(tx, UUID(user_id))
        except WorkspaceNotFound:
            return None
        caller = Caller(workspace_id, UUID(user_id), Role.OWNER, None, operator=False)
        return Proven(Quota(f"person:{user_id}", Plan.FREE), caller)


@pytest.fixture
async def sign_in(app: FastAPI) -> AsyncIterator[Callable[[Account], Awaitable[httpx2.AsyncClient]]]:
    """Calls as a person and not with a key."""
    app.state.authenticators = (*app.state.authenticators, SignedIn())
    async with contextlib.AsyncExitStack() as open_clients:

        async def enter(account: Account) -> httpx2.AsyncClient:
            return await open_clients.enter_async_context(calling(app, {SignedIn.HEADER: str(account.user_id)}))

        yield enter


@dataclass(frozen=True)
class Shared:
    """A workspace that several people are in."""

    id: UUID
    owner: Account
    client: httpx2.AsyncClient
    """The owner, signed in."""
    joins: Callable[..., Awaitable[Account]]
    """Makes an account that comes in with a role by an invitation; its key is one of the shared workspace."""

    @property
    def path(self) -> str:
        return f"/api/v1/workspaces/{self.id}"


@pytest.fixture
async def share(
    app: FastAPI,
    make_account: Callable[..., Awaitable[Account]],
    sign_in: Callable[[Account], Awaitable[httpx2.AsyncClient]],
) -> Callable[..., Awaitable[Shared]]:
    """Makes a shared workspace; its owner is a new account where none is given."""

    async def key_in(workspace_id: UUID, account: Account) -> Account:
        async with transaction(app.state.resources.database, app.state.resources.wake) as tx:
            key = await api_keys.create_key(tx, workspace_id=workspace_id, user_id=account.user_id, name="shared")
        return replace(account, workspace_id=workspace_id, key=key.key)

    async def make(owner: Account | None = None) -> Shared:
        owner = owner or await make_account()
        client = await sign_in(owner)
        made = (await client.post("/api/v1/workspaces", json={"name": "Engine room"})).json()["data"]
        workspace_id = UUID(made["id"])

        async def join(role: str = "member", account: Account | None = None) -> Account:
            account = account or await make_account()
            body = {"email": account.email, "role": role}
            invited = await client.post(f"/api/v1/workspaces/{workspace_id}/invitations", json=body)
            accepted = await (await sign_in(account)).post(
                "/api/v1/invitations/accept", json={"token": invited.json()["data"]["token"]}
            )
            assert accepted.status_code == 201, accepted.text
            return await key_in(workspace_id, account)

        return Shared(workspace_id, await key_in(workspace_id, owner), client, join)

    return make


@pytest.fixture
async def shared(share: Callable[..., Awaitable[Shared]]) -> Shared:
    """One shared workspace."""
    return await share()


@pytest.fixture
def calling_with(app: FastAPI) -> Callable[[Account], contextlib.AbstractAsyncContextManager[httpx2.AsyncClient]]:
    """A client with the key of an account."""
    return lambda account: calling(app, account.headers)


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """Wait for a condition that asks the database."""

    async def wait(condition: Callable[[], Awaitable[Any]], limit: float = 60.0) -> Any:
        async with asyncio.timeout(limit):
            while not (found := await condition()):
                await asyncio.sleep(0.02)
            return found

    return wait


Told = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def told(db: asyncpg.Connection) -> Told:
    """Internal events of a workspace that are on their way, oldest first; only of one aggregate if it is named."""

    async def read(workspace_id: UUID, aggregate: str = "") -> list[dict[str, Any]]:
        pattern = f"internal.{aggregate}%"
        rows = await db.fetch("SELECT payload FROM api.outbox WHERE subject LIKE $1 ORDER BY seq", pattern)
        events = [orjson.loads(row["payload"]) for row in rows]
        return [event for event in events if event["workspaceid"] == str(workspace_id)]

    return read


@pytest.fixture
def outbox(db: asyncpg.Connection) -> Outbox:
    """The public events of a workspace that are on their way, oldest first."""

    async def read(workspace_id: UUID) -> list[dict[str, Any]]:
        rows = await db.fetch("SELECT payload FROM api.outbox WHERE subject LIKE 'events.%' ORDER BY seq")
        events = [orjson.loads(row["payload"]) for row in rows]
        return [event for event in events if event["workspaceid"] == str(workspace_id)]

    return read


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FLOWTASK_DATABASE_URL", raising=False)
        patch.delenv("FLOWTASK_NATS_URL", raising=False)
        yield


class OtherService:
    """Answers commands with what a test puts into `answers`, and keeps what was asked; `before` runs before each answer,
    `after` between answering and sending it. Many are answered at the same time.

    Like a real one it answers a command that it has carried out as it did the first time, without the secret, and says so.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.done: dict[str, Any] = {}
        self.before: Callable[[], Awaitable[Any]] | None = None
        self.after: Callable[[], Awaitable[Any]] | None = None
        self.under_way: set[asyncio.Task[None]] = set()
        self.end: Callable[[], Awaitable[None]]

    async def hear(self, message: Any) -> None:
        task = asyncio.create_task(self._answer(message))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def _answer(self, message: Any) -> None:
        verb = message.subject.rpartition(".")[2]
        asked = orjson.loads(message.data)
        self.asked.append((verb, asked))
        if self.before is not None:
            await self.before()
        answer, command = self.answers.get(verb, {}), asked.get("commandId")
        if command in self.done:
            reply = {"data": self.done[command], "replayed": True}
        elif isinstance(answer, FlowTaskError):
            reply = {"error": answer.body.model_dump(mode="json", by_alias=True)}
        else:
            reply = {"data": answer}
            if command is not None:
                shown = isinstance(answer, dict) and answer.get("secret") is not None
                self.done[command] = {**answer, "secret": None, "secretShown": True} if shown else answer
        if self.after is not None:
            await self.after()
        await message.respond(orjson.dumps(reply))

    @property
    def last(self) -> dict[str, Any]:
        return self.asked[-1][1]


@pytest.fixture
async def other_service(nats_url: str, app: FastAPI) -> AsyncIterator[Callable[[str], Awaitable[OtherService]]]:
    """Stands in for a service on the bus of the app; the module must have a NATS of its own."""
    connections = []

    async def begin(name: str) -> OtherService:
        connection = await nats.connect(nats_url)
        connections.append(connection)
        answering = OtherService()
        answering.end = (await connection.subscribe(f"commands.{name}.>", cb=answering.hear)).unsubscribe
        await connection.flush()  # its ping overtakes what is still buffered
        await connection.flush()
        await asyncio.wait_for(app.state.resources.bus.ready.wait(), 60)
        return answering

    yield begin
    for connection in connections:
        await connection.close()


@dataclass(frozen=True)
class Program:
    """A running `flowtask-api serve`, and the file with all that it says."""

    url: str
    process: asyncio.subprocess.Process
    log: Path

    async def end(self) -> bytes:
        """End it in good order; all that it has said."""
        self.process.terminate()
        assert await asyncio.wait_for(self.process.wait(), 60) == 0
        return self.log.read_bytes()

    async def ready(self) -> None:
        async with asyncio.timeout(60), httpx2.AsyncClient() as client:
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    if (await client.get(f"{self.url}/readyz")).json()["bus"] == "ok":
                        return
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)


@pytest.fixture
async def serve(
    databases: Databases, nats_url: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Program]]]:
    """Starts the program itself, with more settings if need be; the module must have a NATS of its own."""
    running = []

    async def begin(**settings: str) -> Program:
        port, log = free_port(), tmp_path / f"log-{len(running)}"
        environment = {
            "PATH": os.environ["PATH"],
            "FLOWTASK_DATABASE_URL": databases.api,
            "FLOWTASK_NATS_URL": nats_url,
            "FLOWTASK_PORT": str(port),
        }
        path = Path(sys.executable).with_name("flowtask-api")
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                path, "serve", env=environment | settings, stdout=output, stderr=output
            )
        running.append(process)
        program = Program(f"http://127.0.0.1:{port}", process, log)
        await program.ready()
        return program

    yield begin
    for process in running:
        if process.returncode is None:
            process.kill()
            await process.wait()
