"""A person and a workspace are erased in every service: what was theirs stands nowhere, whatever table is looked into."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from e2e.receivers import Receiver
from e2e.settings import ENV
from flowtask_contracts.topology import FLOWTASK, SCHEDULES
from flowtask_local.mentions import mentions
from flowtask_local.stack import Stack

EMAIL, NAME = "ada.lovelace@example.com", "Ada King Lovelace"
SCHEMAS = [service.schema for service in FLOWTASK.services]
TOMBSTONES = {
    "billing.erased_workspaces.workspace_id",
    "mailer.recipients.user_id",
    "mailer.workspaces.workspace_id",
    "webhooks.erasures.workspace_id",
}
"""Ids alone, so that nothing heard late brings anybody back."""


@pytest.fixture(scope="module")
def stack(home: Path) -> Iterator[Stack]:
    """All services; requests and attempts of webhooks are short, for an erasure waits until those under way must have ended."""
    env = {
        "api": ENV["api"] | {"FLOWTASK_REQUEST_SECONDS": "5"},
        "webhook-dispatcher": {"FLOWTASK_WEBHOOKS_TIMEOUT_SECONDS": "1"},
    }
    with Stack(home, extra_env=env, durable=False) as running:
        running.up()
        yield running


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(stack.postgres.url("flowtask"))
    yield connection
    await connection.close()


class Person:
    """Somebody with a key in each of their workspaces."""

    def __init__(self, stack: Stack, email: str, name: str, clients: AsyncExitStack) -> None:
        self._stack, self._email, self._clients = stack, email, clients
        self.id = stack.run("api", "create-user", "--email", email, "--name", name)["userId"]

    async def enter(self, workspace: str | None = None) -> httpx2.AsyncClient:
        """A client with a new key of theirs."""
        where = ["--workspace", workspace] if workspace else []
        arguments = ["create-key", "--email", self._email, "--name", "tests", *where]
        key = await asyncio.to_thread(self._stack.run, "api", *arguments)
        client = httpx2.AsyncClient(
            base_url=f"{self._stack.service('api').url}/api/v1",
            headers={"Authorization": f"Bearer {key['key']}"},
            timeout=40,
        )
        return await self._clients.enter_async_context(client)


async def until_nowhere(admin: "asyncpg.Connection[Any]", *texts: str) -> None:
    """Wait until none of the texts stands anywhere; the tombstones of services aside."""
    found: dict[str, dict[str, int]] = {}
    for _ in range(600):
        found = {text: await mentions(admin, text, SCHEMAS, besides=TOMBSTONES) for text in texts}
        if not any(found.values()):
            return
        await asyncio.sleep(0.1)  # between two looks at the condition
    raise AssertionError(f"still found: {found}")


async def done(client: httpx2.AsyncClient, method: str, path: str, **more: Any) -> Any:
    answer = await client.request(method, path, **more)
    assert answer.is_success, answer.text
    return answer.json()["data"] if answer.content else None


async def mailed(client: httpx2.AsyncClient, number: int) -> list[dict[str, Any]]:
    for _ in range(300):
        mails: list[dict[str, Any]] = await done(client, "GET", "/emails?status=sent")
        if len(mails) >= number:
            return mails
        await asyncio.sleep(0.1)  # between two looks at the condition
    raise AssertionError(f"{number} mails were never sent: {mails}")


async def test_of_a_person_and_their_workspaces_nothing_is_left_anywhere(
    stack: Stack, admin: "asyncpg.Connection[Any]"
) -> None:
    async with AsyncExitStack() as clients, Receiver() as receiver:
        ada = await asyncio.to_thread(Person, stack, EMAIL, NAME, clients)
        bob = await asyncio.to_thread(Person, stack, "bob@example.com", "Bob", clients)
        shared = stack.run("api", "create-workspace", "--email", "bob@example.com", "--name", "Engines")["workspaceId"]
        own, bobs = await ada.enter(), await bob.enter(shared)
        invited = await done(
            bobs,
            "POST",
            f"/workspaces/{shared}/invitations",
            json={"email": EMAIL, "role": "admin"},
            headers={"Idempotency-Key": "invite"},
        )
        await done(own, "POST", "/invitations/accept", json={"token": invited["token"]})
        theirs = await ada.enter(shared)
        for client in (own, theirs):
            await done(client, "POST", "/webhooks", json={"url": receiver.url(), "events": ["*"]})
        await done(own, "PATCH", "/me", json={"timeZone": "Europe/London"}, headers={"Idempotency-Key": "zone"})
        await done(own, "POST", "/tasks", json={"title": "Private", "assigneeId": ada.id})
        mine = await done(theirs, "POST", "/tasks", json={"title": "Shared", "assigneeId": ada.id})
        await done(theirs, "POST", "/tasks", json={"title": "Of Ada's", "assigneeId": bob.id})
        await receiver.until(lambda: len(receiver.requests) >= 6)
        await mailed(own, 1)
        await mailed(theirs, 2)
        workspace = (await done(own, "GET", "/me"))["workspaceId"]
        assert {place.partition(".")[0] for place in await mentions(admin, NAME, SCHEMAS)} == {"api", "mailer"}
        assert {place.partition(".")[0] for place in await mentions(admin, workspace, SCHEMAS)} == set(SCHEMAS)

        await done(own, "DELETE", "/me", params={"confirm": ada.id})
        assert (await own.get("/me")).status_code == (await theirs.get("/me")).status_code == 401
        await until_nowhere(admin, EMAIL, NAME, workspace)

        assert set(await mentions(admin, ada.id, SCHEMAS, besides=TOMBSTONES)) <= {
            "api.tasks.created_by",
            "api.audit_entries.actor_id",
            "api.audit_entries.target_id",
            "mailer.emails.facts",
            "webhooks.endpoints.created_by",
            "webhooks.command_records.reply",
            *(f"webhooks.{table}.payload" for table in await _partitions(admin)),
        }
        assert (await done(bobs, "GET", f"/tasks/{mine['id']}"))["assigneeId"] is None
        (left,) = await mailed(bobs, 1)
        assert left["to"] == "bob@example.com"
        assert len(await done(bobs, "GET", f"/workspaces/{shared}/members")) == 1
        posted = len(receiver.requests)
        await done(bobs, "POST", "/tasks", json={"title": "Afterwards"})
        await receiver.until(lambda: len(receiver.requests) > posted)

        await done(bobs, "DELETE", f"/workspaces/{shared}", params={"confirm": shared})
        await until_nowhere(admin, shared, "Engines")
        assert (await bobs.get("/tasks")).status_code == 401
        assert not await _left_in_streams(stack)


async def _partitions(admin: "asyncpg.Connection[Any]") -> list[str]:
    rows = await admin.fetch("SELECT relname FROM pg_class WHERE relname LIKE 'messages%'")
    return [row["relname"] for row in rows]


async def _left_in_streams(stack: Stack) -> int:
    """How many messages the streams hold when every consumer has had its say: once that is none, nothing is kept there.

    But for the times at which jobs are next due.
    """
    left = 0
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{stack.nats.monitor_port}") as monitor:
        for _ in range(300):
            answer = json.loads((await monitor.get("/jsz", params={"streams": "true"})).text)
            streams = [stream for account in answer["account_details"] for stream in account["stream_detail"]]
            left = sum(stream["state"]["messages"] for stream in streams if stream["name"] != SCHEDULES.name)
            if not left:
                break
            await asyncio.sleep(0.1)  # between two looks at the condition
    return left
