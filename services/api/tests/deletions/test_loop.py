import asyncio
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from flowtask_api.deletions.loop import deletions

PROGRAM = Path(sys.executable).with_name("flowtask-api")


@pytest.fixture
def settings(settings):
    """The app's own loop looks for work only when a test lets it."""
    return settings.model_copy(update={"deletion_poll_seconds": 3600.0})


@pytest.fixture
def plant(client, account, db):
    """Makes a project with tasks."""

    async def put(number: int) -> str:
        project = (await client.post("/api/v1/projects", json={"name": "P"})).json()["data"]["id"]
        await db.execute(
            "INSERT INTO api.tasks (id, workspace_id, title, status, priority, project_id, version, created_by,"
            " created_at, updated_at) SELECT gen_random_uuid(), $1, 'T', 'TODO', 'LOW', $2, 1, $3, now(), now()"
            " FROM generate_series(1, $4)",
            account.workspace_id,
            UUID(project),
            account.user_id,
            number,
        )
        return project

    return put


async def hide(db, project: str) -> None:
    """Hide a project behind the back of the app, whose loop is not woken."""
    await db.execute("UPDATE api.projects SET deleted_at = now(), deleted_by = 'user:x' WHERE id = $1", UUID(project))


async def finished(db, project: str) -> None:
    async with asyncio.timeout(60):
        while await db.fetchval("SELECT count(*) FROM api.projects WHERE id = $1", UUID(project)):
            await asyncio.sleep(0.02)


async def assert_told_once(outbox, account, project: str, tasks: int) -> None:
    events = [event for event in await outbox(account.workspace_id) if event["type"].endswith("deleted")]
    assert len(events) == tasks + 1
    assert len({event["subject"] for event in events}) == tasks + 1
    assert events[-1]["type"] == "project.deleted"
    assert events[-1]["subject"] == project
    assert {event["type"] for event in events[:-1]} <= {"task.deleted"}
    assert {event["data"]["project"]["id"] for event in events[:-1]} <= {project}


async def test_deleting_a_project_deletes_its_tasks_then_the_project_with_an_event_each(
    client, account, outbox, db, plant
):
    project = await plant(450)
    kept = (await client.post("/api/v1/tasks", json={"title": "kept"})).json()["data"]["id"]

    answer = await client.delete(f"/api/v1/projects/{project}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get(f"/api/v1/projects/{project}")).status_code == 404
    assert [task["id"] for task in (await client.get("/api/v1/tasks")).json()["data"]] == [kept]
    await finished(db, project)  # by the wake alone: this app polls once an hour
    await assert_told_once(outbox, account, project, 450)
    assert (await outbox(account.workspace_id))[-1]["actor"] == f"user:{account.user_id}"
    assert await db.fetchval("SELECT count(*) FROM api.tasks WHERE project_id = $1", UUID(project)) == 0


async def test_a_project_without_tasks_is_gone_with_its_event(client, account, outbox, db, plant):
    project = await plant(0)
    await client.delete(f"/api/v1/projects/{project}")
    await finished(db, project)
    await assert_told_once(outbox, account, project, 0)


async def test_two_replicas_delete_each_task_once(app, account, outbox, db, plant):
    projects = [await plant(60) for _ in range(3)]
    for project in projects:
        await hide(db, project)
    resources = app.state.resources
    replicas = [deletions(resources.database, resources.wake, poll=0.02, chunk=7) for _ in range(2)]
    running = [asyncio.create_task(replica.run()) for replica in replicas]

    for project in projects:
        await finished(db, project)

    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    events = [event for event in await outbox(account.workspace_id) if event["type"].endswith("deleted")]
    assert len(events) == len({event["subject"] for event in events}) == 183
    for project in projects:
        own = [e for e in events if e["subject"] == project or e["data"].get("projectId") == project]
        assert [event["type"] for event in own] == ["task.deleted"] * 60 + ["project.deleted"]


async def test_a_process_killed_in_the_middle_loses_and_doubles_nothing(app, settings, account, outbox, db, plant):
    project = await plant(450)
    await hide(db, project)
    env = {
        "PATH": os.environ["PATH"],
        "FLOWTASK_DATABASE_URL": settings.database_url.get_secret_value(),
        "FLOWTASK_NATS_URL": settings.nats_url.get_secret_value(),
        "FLOWTASK_PORT": "0",
        "FLOWTASK_CRASHPOINTS": "deletions.before-commit:2",
    }
    killed = await asyncio.to_thread(
        subprocess.run, [PROGRAM, "serve"], env=env, capture_output=True, timeout=60, check=False
    )
    assert killed.returncode == -9, killed.stderr
    assert await db.fetchval("SELECT count(*) FROM api.tasks WHERE project_id = $1", UUID(project)) == 250

    resources = app.state.resources
    running = asyncio.create_task(deletions(resources.database, resources.wake, poll=0.1).run())
    await finished(db, project)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await assert_told_once(outbox, account, project, 450)


async def test_a_task_that_is_being_changed_is_waited_for(app, client, account, outbox, db, plant):
    project = await plant(3)
    async with db.transaction():
        task = await db.fetchval("SELECT id FROM api.tasks WHERE project_id = $1 LIMIT 1 FOR UPDATE", UUID(project))
        await client.delete(f"/api/v1/projects/{project}")
        await db.execute("UPDATE api.tasks SET title = 'late', version = 7 WHERE id = $1", task)
    await finished(db, project)

    events = {event["subject"]: event for event in await outbox(account.workspace_id)}
    assert events[str(task)]["data"]["title"] == "late"
    assert events[str(task)]["aggregateversion"] == 8
    assert app.state.deletions


async def test_a_task_cannot_slip_into_a_project_that_is_being_deleted(app, client, account, outbox, db, plant):
    """A late task's lock on the project may make the woken loop pass it over; the next poll finds it."""
    project = await plant(5)
    resources = app.state.resources
    polling = asyncio.create_task(deletions(resources.database, resources.wake, poll=0.05).run())
    answers = await asyncio.gather(
        *(client.post("/api/v1/tasks", json={"title": "in", "projectId": project}) for _ in range(6)),
        client.delete(f"/api/v1/projects/{project}"),
        *(client.post("/api/v1/tasks", json={"title": "in", "projectId": project}) for _ in range(6)),
    )
    await finished(db, project)
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)

    created = [answer.json()["data"]["id"] for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 204, 404}
    await assert_told_once(outbox, account, project, 5 + len(created))
