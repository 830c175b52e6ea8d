"""A database that takes no writes, as after a failover: 503 for them, reading goes on, and so does everything afterwards."""

import asyncio
import contextlib

import pytest
from prometheus_client import REGISTRY

TASKS, PROJECTS, KEYS = "/api/v1/tasks", "/api/v1/projects", "/api/v1/api-keys"


@pytest.fixture
def read_only(db):
    """Sessions keep what they began with, as they do when an address leads to another server: only new ones see the change."""

    @contextlib.asynccontextmanager
    async def hold():
        await db.execute("ALTER ROLE flowtask_api SET default_transaction_read_only = on")
        await db.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'flowtask_api'")
        try:
            yield
        finally:
            await db.execute("ALTER ROLE flowtask_api RESET default_transaction_read_only")

    return hold


def restarts():
    return REGISTRY.get_sample_value("flowtask_loop_restarts_total", {"name": "deletions"}) or 0


async def test_writes_are_503_reading_and_loops_go_on_and_all_is_well_afterwards(client, db, account, read_only, until):
    project = (await client.post(PROJECTS, json={"name": "P"})).json()["data"]["id"]
    task = {"title": "T", "projectId": project}
    where = (await client.post(TASKS, json=task)).headers["location"]
    before = restarts()

    async with read_only():
        for number in range(3):
            for method, path, body in (
                ("POST", TASKS, {"title": "refused"}),
                ("PATCH", where, {"title": "refused"}),
                ("POST", KEYS, {"name": "refused"}),
            ):
                for headers in ({}, {"Idempotency-Key": f"{method} {path} {number}"}):
                    answer = await client.request(method, path, json=body, headers=headers)
                    assert answer.status_code == 503, answer.text
                    assert int(answer.headers["retry-after"]) == answer.json()["error"]["retryAfter"] > 0
            assert [each["title"] for each in (await client.get(TASKS)).json()["data"]] == ["T"]
        await asyncio.gather(*(client.get(path) for path in (TASKS, KEYS, where) * 5))  # connections to keep
        await db.execute("UPDATE api.projects SET deleted_at = now(), deleted_by = owner_id WHERE id = $1", project)

    made = []
    for _ in range(5):  # as many as there are connections: each tells of itself once at most
        made.append(await client.post(TASKS, json={"title": "made"}))
        if made[-1].status_code == 201:
            break
    assert {answer.status_code for answer in made[:-1]} <= {503}
    again = await asyncio.gather(*(client.post(TASKS, json={"title": "made"}) for _ in range(10)))
    assert {answer.status_code for answer in (made[-1], *again)} == {201}
    await until(lambda: gone(db, project))
    assert restarts() == before
    assert await db.fetchval("SELECT count(*) FROM api.tasks WHERE workspace_id = $1", account.workspace_id) == 11


async def gone(db, project):
    return await db.fetchval("SELECT count(*) FROM api.projects WHERE id = $1", project) == 0
