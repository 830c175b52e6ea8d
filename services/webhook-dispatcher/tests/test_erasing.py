"""A workspace that is erased: nothing is sent any more, and nothing of it is left."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import nats
import pytest

from flowtask_contracts.errors import NotFound
from flowtask_contracts.events import WorkspaceErased
from flowtask_contracts.resources import Erased
from flowtask_kit.ids import new_id, utc_now
from flowtask_local.mentions import mentions

PROGRAM = Path(sys.executable).with_name("flowtask-webhook-dispatcher")
QUICK = {"webhooks_timeout_seconds": 0.5}
"""Attempts that were under way are waited for so much less."""


@pytest.fixture
def erase(nats_url):
    """Tell that a workspace is erased."""

    async def tell(workspace_id):
        event = WorkspaceErased(
            workspace_id=workspace_id,
            subject=workspace_id,
            time=utc_now(),
            actor="system",
            version=2,
            data=Erased(id=workspace_id),
        )
        client = await nats.connect(nats_url("admin"))
        identity = new_id()
        await client.jetstream().publish(
            event.bus_subject(),
            event.cloud_event(identity, "flowtask/api").to_json(),
            headers={"Nats-Msg-Id": str(identity)},
        )
        await client.close()

    return tell


@pytest.fixture
def erased(sql, until):
    """Wait until a workspace is erased."""

    async def wait(workspace_id):
        async def finished():
            rows = await sql("SELECT finished_at FROM webhooks.erasures WHERE workspace_id = $1", workspace_id)
            return rows and rows[0]["finished_at"]

        await until(finished, limit=90)

    return wait


@pytest.fixture
def found(database_url):
    """Where a text stands in the schema, but for the tombstone."""

    async def look(text):
        connection = await asyncpg.connect(database_url)
        try:
            return await mentions(connection, str(text), ["webhooks"], besides={"webhooks.erasures.workspace_id"})
        finally:
            await connection.close()

    return look


async def test_its_endpoints_history_and_work_are_gone_and_the_others_stay(
    serve, receive, subscribe, publish, settled, until, erase, erased, found, workspace, sql
):
    await serve(**QUICK)
    fine, failing = await receive(), await receive(500)
    other = uuid4()
    told = {"path": "data.title", "in": ["Write it down", "unheard-of"]}
    endpoint = await subscribe(fine.url, filter=told, metadata={"about": "unheard-of"}, headers={"X-Mine": "x"})
    await subscribe(failing.url)
    kept = await subscribe(fine.url, workspace_id=other)
    event = await publish()
    await settled(endpoint, event, "delivered")
    theirs = await publish(workspace_id=other)
    await until(lambda: fine.of(theirs) and failing.requests)
    await until(lambda: sql("SELECT 1 FROM webhooks.due"))

    assert await found("unheard-of")
    await erase(workspace)
    await erased(workspace)
    assert await found("unheard-of") == await found("X-Mine") == {}
    assert await found(workspace) == await found(endpoint.id) == await found(failing.port) == {}
    assert await found(event) == {}
    assert await sql("SELECT 1 FROM webhooks.due") == []
    assert {row["id"] for row in await sql("SELECT id FROM webhooks.endpoints")} == {kept.id}
    assert await found(theirs)
    posted = len(fine.requests) + len(failing.requests)
    late, last = await publish(), await publish(workspace_id=other)
    await until(lambda: fine.of(last))
    assert len(fine.requests) + len(failing.requests) == posted + 1
    assert await found(late) == {}
    with pytest.raises(NotFound):
        await subscribe(fine.url)


async def test_from_the_news_on_nothing_is_sent_by_any_replica(
    serve, receive, subscribe, publish, until, erase, workspace, sql
):
    await serve()
    await serve()
    receiver, other = await receive(), uuid4()
    await subscribe(receiver.url)
    await subscribe(receiver.url, workspace_id=other)
    await erase(workspace)
    await until(lambda: sql("SELECT 1 FROM webhooks.erasures"))
    ours = [await publish() for _ in range(20)]
    theirs = [await publish(workspace_id=other) for _ in range(20)]
    await until(lambda: all(receiver.of(event) for event in theirs))
    assert not [event for event in ours if receiver.of(event)]


async def test_a_repeat_and_a_workspace_that_nobody_knows_harm_nothing(serve, erase, erased, found, workspace):
    await serve(**QUICK)
    for _ in range(2):
        await erase(workspace)
        await erased(workspace)
    assert await found(workspace) == {}


async def test_an_attempt_under_way_leaves_nothing_behind(
    serve, receive, subscribe, publish, until, erase, erased, found, workspace
):
    answering = asyncio.Event()

    async def slowly(_request):
        await answering.wait()
        return 200

    await serve(webhooks_timeout_seconds=1)
    receiver = await receive(slowly)
    await subscribe(receiver.url)
    event = await publish()
    await until(lambda: receiver.requests)
    await erase(workspace)
    await erased(workspace)
    answering.set()
    assert await found(event) == await found(workspace) == {}


async def test_a_dispatcher_killed_in_the_middle_is_taken_over(
    serve, subscribe, receive, erase, erased, found, workspace, settings, sql
):
    first = await serve(**QUICK)
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    await first.stop()
    await sql(
        "WITH made AS (INSERT INTO webhooks.messages (event_id, workspace_id, type, resource_id, stream_seq, payload)"
        " SELECT event_id, $1, 'task.created', 'x', 1, '{}' FROM unnest($3::uuid[]) event_id RETURNING event_id),"
        " tried AS (INSERT INTO webhooks.attempts (event_id, endpoint_id, attempt_no, trigger, at, duration_ms)"
        " SELECT event_id, $2, 1, 'schedule', now(), 1 FROM made)"
        " INSERT INTO webhooks.deliveries (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status,"
        " attempts) SELECT event_id, $2, gen_random_uuid(), $1, 'task.created', 'x', 'delivered', 1 FROM made",
        workspace,
        endpoint.id,
        [new_id() for _ in range(2500)],
    )
    await erase(workspace)
    told = settings(**QUICK)
    env = {
        "PATH": os.environ["PATH"],
        "FLOWTASK_DATABASE_URL": told.database_url.get_secret_value(),
        "FLOWTASK_NATS_URL": told.nats_url.get_secret_value(),
        "FLOWTASK_WEBHOOKS_SECRET_KEYS": told.webhooks_secret_keys.get_secret_value(),
        "FLOWTASK_PORT": "0",
        "FLOWTASK_CRASHPOINTS": "dispatcher.erasing:3",
    }
    killed = await asyncio.to_thread(
        subprocess.run, [PROGRAM, "serve"], env=env, capture_output=True, timeout=60, check=False
    )
    assert killed.returncode == -9, killed.stderr
    left = (await found(workspace))["webhooks.deliveries.workspace_id"]
    assert left in {1500, 2500}, "a whole chunk is gone, or none while a step waited for an older transaction"
    await serve(**QUICK)
    await erased(workspace)
    assert await found(workspace) == await found(endpoint.id) == {}
