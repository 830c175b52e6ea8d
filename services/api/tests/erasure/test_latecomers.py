"""Requests whose caller was known before an erasure, and that write after it: whatever they leave goes as well."""

import asyncio
import contextlib

import orjson
import pytest

from flowtask_contracts.base import rfc3339
from flowtask_kit.ids import new_id, utc_now


@pytest.fixture
def nats_url(nats_server):
    return nats_server.url()


class HeldBack:
    """A body whose end comes when it is let go; `awaited` is set once somebody waits for it, and knows who calls."""

    def __init__(self, value):
        self._bytes = orjson.dumps(value)
        self._end = asyncio.Event()
        self.awaited = asyncio.Event()

    async def __aiter__(self):
        yield self._bytes[:1]
        self.awaited.set()
        await self._end.wait()
        yield self._bytes[1:]

    def let_go(self):
        self._end.set()


@contextlib.asynccontextmanager
async def held_back(client, method, path, body):
    """A request that has begun; what is yielded lets it go on, and gives its answer."""
    held = HeldBack(body)
    headers = {"content-type": "application/json", "content-length": str(len(orjson.dumps(body)))}
    asking = asyncio.create_task(client.request(method, path, content=held, headers=headers))

    async def go_on():
        held.let_go()
        return await asking

    await asyncio.wait_for(held.awaited.wait(), 30)
    yield go_on
    held.let_go()
    await asyncio.gather(asking, return_exceptions=True)


@pytest.fixture
def swept(until, db, settings):
    """Wait until what was there has gone, and what may still come is waited for: as long as a request may take, and more."""
    waits = (
        "SELECT due_at > now() + interval '1 second' AND due_at - seen_at > make_interval(secs => $2)"
        " FROM api.erasures WHERE workspace_id = $1"
    )

    async def wait(workspace_id):
        await until(lambda: db.fetchval(waits, workspace_id, settings.request_seconds))
        assert not await db.fetchval("SELECT count(*) FROM api.workspaces WHERE id = $1", workspace_id)

    return wait


async def erase(shared):
    answer = await shared.client.delete(shared.path, params={"confirm": str(shared.id)})
    assert answer.status_code == 204, answer.text


async def test_a_task_whose_body_was_held_back_goes_with_the_workspace(
    shared, calling_with, swept, finished, found, told
):
    async with (
        calling_with(shared.owner) as client,
        held_back(client, "POST", "/api/v1/tasks", {"title": "late"}) as task,
        held_back(client, "POST", "/api/v1/projects", {"name": "late"}) as project,
    ):
        await erase(shared)
        await swept(shared.id)
        assert [(await task()).status_code, (await project()).status_code] == [201, 201]
        assert await found("late")
        assert await told(shared.id, "workspace.erased") == [], "it is told last"
    await finished()
    assert await found(shared.id) == await found("late") == {}
    assert len(await told(shared.id, "workspace.erased")) == 1


async def test_a_task_that_a_removed_member_takes_late_is_taken_off_them(shared, calling_with, until, finished, db):
    member = await shared.joins("member")
    mine = {"title": "mine", "assigneeId": str(member.user_id)}
    unassigned = "SELECT count(*) = 0 FROM api.tasks WHERE assignee_id = $1"
    waiting = (
        "SELECT coalesce(bool_and(due_at > now() + interval '1 second'), true) FROM api.erasures WHERE user_id = $1"
    )
    async with calling_with(member) as client:
        await client.post("/api/v1/tasks", json=mine)
        async with held_back(client, "POST", "/api/v1/tasks", mine) as late:
            assert (await shared.client.delete(f"{shared.path}/members/{member.user_id}")).status_code == 204
            await until(lambda: db.fetchval(waiting, member.user_id))
            assert await db.fetchval(unassigned, member.user_id)
            assert (await late()).status_code == 201
    await finished()
    assert await db.fetchval(unassigned, member.user_id)
    assert await db.fetchval("SELECT count(*) FROM api.tasks WHERE workspace_id = $1", shared.id) == 2


async def test_an_audit_entry_that_an_answer_brings_back_goes_with_the_workspace(
    shared, calling_with, other_service, swept, finished, found
):
    hook = {"url": "https://example.com/x", "events": ["*"]}
    made = {**hook, "id": str(new_id()), "description": None, "active": True, "createdBy": str(new_id())}
    times = dict.fromkeys(("createdAt", "updatedAt"), rfc3339(utc_now()))
    dispatcher, asked, answered = await other_service("webhook-dispatcher"), asyncio.Event(), asyncio.Event()
    dispatcher.answers["create-endpoint"] = {**made, **times, "secret": "whsec_x"}

    async def hold():
        asked.set()
        await answered.wait()

    dispatcher.before = hold
    async with calling_with(shared.owner) as client:
        asking = asyncio.create_task(client.post("/api/v1/webhooks", json=hook))
        await asyncio.wait_for(asked.wait(), 30)
        await erase(shared)
        await swept(shared.id)
        answered.set()
        assert (await asking).status_code == 201
        assert "api.audit_entries.workspace_id" in await found(shared.id)
    await finished()
    assert await found(shared.id) == {}
