import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from flowtask_api.erasure.loop import erasures

PROGRAM = Path(sys.executable).with_name("flowtask-api")
AT_ONCE = timedelta(0)
"""Nobody comes late."""


@pytest.fixture
def settings(settings):
    """The app's own loop looks for work only when it is woken."""
    return settings.model_copy(update={"deletion_poll_seconds": 3600.0})


@pytest.fixture
def hide(db):
    """Begin an erasure behind the back of the app, whose loop is not woken."""

    async def begin(shared) -> None:
        await db.execute("UPDATE api.workspaces SET erased_at = now() WHERE id = $1", shared.id)
        await db.execute(
            "INSERT INTO api.erasures (id, kind, workspace_id, actor, version, requested_at, due_at, quiet)"
            " VALUES (gen_random_uuid(), 'workspace', $1, 'system', 2, now(), now(), false)",
            shared.id,
        )

    return begin


async def test_a_process_killed_in_the_middle_loses_nothing_and_tells_it_once(
    app, settings, shared, fill, hide, finished, found, told, db
):
    await fill(shared.id, shared.owner.user_id, 1300)
    await hide(shared)
    env = {
        "PATH": os.environ["PATH"],
        "FLOWTASK_DATABASE_URL": settings.database_url.get_secret_value(),
        "FLOWTASK_NATS_URL": settings.nats_url.get_secret_value(),
        "FLOWTASK_PORT": "0",
        "FLOWTASK_CRASHPOINTS": "erasure.before-commit:4",
        "FLOWTASK_DELETION_POLL_SECONDS": "0.1",
    }
    killed = await asyncio.to_thread(
        subprocess.run, [PROGRAM, "serve"], env=env, capture_output=True, timeout=60, check=False
    )
    assert killed.returncode == -9, killed.stderr
    left = await db.fetchval("SELECT count(*) FROM api.tasks WHERE workspace_id = $1", shared.id)
    assert left in {300, 800, 1300}, "whole chunks, or none while a step waited for an older transaction"

    resources = app.state.resources
    running = asyncio.create_task(erasures(resources.database, resources.wake, late=AT_ONCE, poll=0.05).run())
    await finished()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await found(shared.id) == {}
    assert [event["type"] for event in await told(shared.id, "workspace.erased")] == ["workspace.erased"]


async def test_several_replicas_erase_several_workspaces_and_tell_each_once(
    app, share, fill, hide, finished, found, told
):
    several = [await share() for _ in range(3)]
    for shared in several:
        await fill(shared.id, shared.owner.user_id, 40)
        await hide(shared)
    resources = app.state.resources
    replicas = [erasures(resources.database, resources.wake, late=AT_ONCE, poll=0.02, chunk=7) for _ in range(3)]
    running = [asyncio.create_task(replica.run()) for replica in replicas]
    await finished()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for shared in several:
        assert await found(shared.id) == {}
        assert len(await told(shared.id, "workspace.erased")) == 1


async def test_a_large_workspace_holds_no_small_one_up(app, share, fill, hide, finished, found, until):
    large, small = await share(), await share()
    await fill(large.id, large.owner.user_id, 2000)
    await hide(large)
    await hide(small)
    resources = app.state.resources
    running = asyncio.create_task(erasures(resources.database, resources.wake, late=AT_ONCE, poll=0.02, chunk=20).run())

    async def small_one_gone():
        return await found(small.id) == {}

    await until(small_one_gone)
    assert await found(large.id)
    await finished()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await found(large.id) == {}
