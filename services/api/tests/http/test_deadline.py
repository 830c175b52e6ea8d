"""A request that takes too long, with a real lock in its way."""

import asyncio

import pytest


@pytest.fixture
def settings(settings):
    """Less patience than PostgreSQL has with locks."""
    return settings.model_copy(update={"request_seconds": 3.0})


async def test_a_request_that_takes_too_long_is_503_and_leaves_nothing_behind(client, db, account, outbox):
    task = (await client.post("/api/v1/tasks", json={"title": "before"})).json()["data"]["id"]
    events = len(await outbox(account.workspace_id))

    async with db.transaction():
        await db.execute("SELECT 1 FROM api.tasks WHERE id = $1 FOR UPDATE", task)
        answer = await client.patch(f"/api/v1/tasks/{task}", json={"title": "after"})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert error["retryAfter"] == int(answer.headers["retry-after"])

    assert (await client.get(f"/api/v1/tasks/{task}")).json()["data"]["title"] == "before"
    assert len(await outbox(account.workspace_id)) == events
    answers = await asyncio.gather(*(client.patch(f"/api/v1/tasks/{task}", json={"title": "after"}) for _ in range(8)))
    assert {each.status_code for each in answers} == {200}
