"""A 2xx is a promise: what could not be committed was never answered with one."""

import asyncio

import pytest


@pytest.fixture
async def refusing_commits(db):
    """Lets every insert of a task pass and its commit fail."""
    await db.execute(
        """
        CREATE FUNCTION api.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON api.tasks DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION api.refuse();
        """
    )
    yield
    await db.execute("DROP TRIGGER refuse ON api.tasks; DROP FUNCTION api.refuse();")


@pytest.mark.usefixtures("refusing_commits")
async def test_a_commit_that_fails_is_a_500_without_data(client, account, outbox, db):
    answer = await client.post("/api/v1/tasks", json={"title": "T"})

    assert answer.status_code == 500
    assert answer.json()["data"] is None
    assert answer.json()["error"]["code"] == "INTERNAL_ERROR"
    assert "location" not in answer.headers
    assert await outbox(account.workspace_id) == []
    assert await db.fetchval("SELECT count(*) FROM api.tasks WHERE workspace_id = $1", account.workspace_id) == 0


async def test_a_connection_that_dies_before_the_commit_is_a_503_and_the_next_request_works(client, account, db):
    task = (await client.post("/api/v1/tasks", json={"title": "T"})).json()["data"]
    path = f"/api/v1/tasks/{task['id']}"
    async with db.transaction():
        await db.execute("SELECT 1 FROM api.tasks WHERE workspace_id = $1 FOR UPDATE", account.workspace_id)
        waiting = asyncio.create_task(client.patch(path, json={"title": "lost"}))
        while not await db.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)
            assert not waiting.done()
        answer = await waiting

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert (await client.get(path)).json()["data"] == task


@pytest.mark.parametrize("state", ["55P03", "40P01", "40001", "53300", "57P01"])
async def test_a_database_that_is_too_busy_is_a_503(client, db, state):
    """Lock timeouts, deadlocks, serialization, too many connections, shutdown."""
    await db.execute(
        f"""
        CREATE FUNCTION api.busy() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'busy' USING ERRCODE = '{state}'; END $$;
        CREATE TRIGGER busy BEFORE INSERT ON api.tasks FOR EACH ROW EXECUTE FUNCTION api.busy();
        """
    )
    answer = await client.post("/api/v1/tasks", json={"title": "T"})
    await db.execute("DROP TRIGGER busy ON api.tasks; DROP FUNCTION api.busy();")

    assert answer.status_code == 503
    assert answer.json()["error"]["retryAfter"]
    assert (await client.post("/api/v1/tasks", json={"title": "T"})).status_code == 201
