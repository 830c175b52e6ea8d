import asyncio
from datetime import timedelta

import pytest

from flowtask_api.idempotency.loop import forgetting

TASKS, PROJECTS, KEYS = "/api/v1/tasks", "/api/v1/projects", "/api/v1/api-keys"


def key(value="k"):
    return {"Idempotency-Key": value}


async def tasks(client):
    return (await client.get(TASKS)).json()["data"]


@pytest.mark.parametrize(("path", "body"), [(TASKS, {"title": "T"}), (PROJECTS, {"name": "P"})])
async def test_a_repeat_gets_the_first_answer_and_has_no_effect(client, account, outbox, path, body):
    first = await client.post(path, json=body, headers=key())
    told = len(await outbox(account.workspace_id))
    again = await client.post(path, json=body, headers=key())

    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    for name in ("location", "etag", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len((await client.get(path)).json()["data"]) == 1
    assert len(await outbox(account.workspace_id)) == told


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_repeated_change_does_not_undo_what_came_after_it(client, method):
    where = (await client.post(TASKS, json={"title": "A"})).headers["location"]
    first = await client.request(method, where, json={"title": "B"}, headers=key())
    await client.patch(where, json={"title": "C"})
    again = await client.request(method, where, json={"title": "B"}, headers=key())
    assert (again.status_code, again.content) == (200, first.content)
    assert (await client.get(where)).json()["data"]["title"] == "C"


async def test_a_repeated_deletion_is_answered_as_the_first_was(client):
    where = (await client.post(TASKS, json={"title": "A"})).headers["location"]
    assert (await client.delete(where, headers=key())).status_code == 204
    again = await client.delete(where, headers=key())
    assert (again.status_code, again.content) == (204, b"")
    assert (await client.delete(where, headers=key("other"))).status_code == 404


async def test_the_same_key_for_another_request_is_a_conflict(client):
    where = (await client.post(TASKS, json={"title": "A"}, headers=key())).headers["location"]
    for method, path, body in (
        ("POST", TASKS, {"title": "B"}),
        ("POST", PROJECTS, {"name": "A"}),
        ("PATCH", where, {"title": "A"}),
        ("DELETE", where, None),
    ):
        answer = await client.request(method, path, json=body, headers=key())
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
        assert "another request" in answer.json()["error"]["message"]
    assert [task["title"] for task in await tasks(client)] == ["A"]


async def test_a_key_belongs_to_its_workspace_and_an_answer_to_its_caller(client, neighbour, make_member):
    body = {"title": "A"}
    await client.post(TASKS, json=body, headers=key())
    assert (await neighbour.post(TASKS, json=body, headers=key())).status_code == 201
    member = await make_member("member")
    assert (await client.post(TASKS, json=body, headers=key() | member.headers)).status_code == 409


@pytest.mark.parametrize("value", ["", "x" * 256, "ä", "tab\there"])
async def test_a_key_that_is_none_is_refused(client, value):
    answer = await client.post(TASKS, json={"title": "A"}, headers={"Idempotency-Key": value.encode()})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "Idempotency-Key"


async def test_a_refusal_is_not_kept(client):
    assert (await client.post(TASKS, json={"title": ""}, headers=key())).status_code == 400
    assert (await client.post(TASKS, json={"title": "A"}, headers=key())).status_code == 201


async def test_a_write_that_does_not_commit_keeps_no_answer(client, db):
    await db.execute("ALTER TABLE api.tasks ADD CONSTRAINT refused CHECK (title <> 'refused') NOT VALID")
    try:
        assert (await client.post(TASKS, json={"title": "refused"}, headers=key("c"))).status_code == 500
    finally:
        await db.execute("ALTER TABLE api.tasks DROP CONSTRAINT refused")
    assert await db.fetchval("SELECT count(*) FROM api.idempotency_keys WHERE key = 'c'") == 0
    assert (await client.post(TASKS, json={"title": "refused"}, headers=key("c"))).status_code == 201


async def test_a_secret_is_shown_once_and_kept_nowhere(client, db):
    first = await client.post(KEYS, json={"name": "K"}, headers=key())
    again = await client.post(KEYS, json={"name": "K"}, headers=key())
    shown = first.json()["data"]
    assert "secretShown" not in shown
    assert again.json()["data"] == shown | {"key": None, "secretShown": True}
    assert again.headers["cache-control"] == "no-store"
    assert len((await client.get(KEYS)).json()["data"]) == 2
    kept = await db.fetch("SELECT body FROM api.idempotency_keys")
    assert not any(shown["key"].encode() in row["body"] for row in kept)


async def test_one_of_many_at_once_takes_effect_and_the_others_are_told(client):
    answers = await asyncio.gather(
        *(client.post(TASKS, json={"title": "once"}, headers=key("race")) for _ in range(200))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = {answer.json()["data"]["id"] for answer in answers if answer.status_code == 201}
    refused = [answer for answer in answers if answer.status_code == 409]
    assert len(made) == 1
    assert all(answer.json()["error"]["retryAfter"] == int(answer.headers["retry-after"]) == 1 for answer in refused)
    assert [task["id"] for task in await tasks(client)] == list(made)
    assert (await client.post(TASKS, json={"title": "once"}, headers=key("race"))).json()["data"]["id"] in made


async def test_one_that_is_under_way_is_a_conflict_at_once(client, db, account):
    project = (await client.post(PROJECTS, json={"name": "P"})).json()["data"]["id"]
    body = {"title": "A", "projectId": project}
    async with db.transaction():
        await db.execute("UPDATE api.projects SET name = name WHERE workspace_id = $1", account.workspace_id)
        waiting = asyncio.create_task(client.post(TASKS, json=body, headers=key()))
        async with asyncio.timeout(30):
            while not await db.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"):
                await asyncio.sleep(0.01)
        async with asyncio.timeout(2):
            answer = await client.post(TASKS, json=body, headers=key())
        assert (answer.status_code, answer.json()["error"]["retryAfter"]) == (409, 1)
        assert not waiting.done()
    first = await waiting
    assert (await client.post(TASKS, json=body, headers=key())).content == first.content


async def test_an_answer_counts_for_a_day_and_is_forgotten_then(app, client, db):
    await client.post(TASKS, json={"title": "A"}, headers=key("old"))
    await client.post(TASKS, json={"title": "A"}, headers=key("young"))
    late = "UPDATE api.idempotency_keys SET created_at = created_at - $1::interval WHERE key = ANY($2)"
    await db.execute(late, timedelta(hours=24, seconds=5), ["old"])
    await db.execute(late, timedelta(hours=23), ["young"])

    assert "idempotency-replayed" in (await client.post(TASKS, json={"title": "A"}, headers=key("young"))).headers
    anew = await client.post(TASKS, json={"title": "A"}, headers=key("old"))
    assert (anew.status_code, anew.headers.get("idempotency-replayed")) == (201, None)
    again = await client.post(TASKS, json={"title": "A"}, headers=key("old"))
    assert again.content == anew.content

    await db.execute(late, timedelta(hours=25), ["old"])
    resources = app.state.resources
    running = asyncio.create_task(forgetting(resources.database, resources.wake, poll=0.02).run())
    async with asyncio.timeout(30):
        while await db.fetchval("SELECT count(*) FROM api.idempotency_keys WHERE key = 'old'"):
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await db.fetchval("SELECT count(*) FROM api.idempotency_keys WHERE key = 'young'") == 1
