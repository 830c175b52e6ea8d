"""Keys of changes that another service makes: it has the answer, and the key stands for its request here."""

import asyncio
from datetime import timedelta

import pytest

from flowtask_api.idempotency.loop import forgetting
from flowtask_contracts.base import rfc3339
from flowtask_contracts.errors import FlowTaskError, ValidationFailed
from flowtask_kit.bus.errors import UnderWay
from flowtask_kit.ids import new_id, utc_now

TASKS, HOOKS = "/api/v1/tasks", "/api/v1/webhooks"
HOOK = {"url": "https://example.com/hook", "events": ["task.*"]}
ENDPOINT = {
    **HOOK,
    "id": "01a20591-0000-7000-8000-000000000001",
    "description": None,
    "active": True,
    "createdBy": str(new_id()),
    "createdAt": rfc3339(utc_now()),
    "updatedAt": rfc3339(utc_now()),
}
DELIVERY = {
    "id": "01a20591-0000-7000-8000-000000000002",
    "eventId": str(new_id()),
    "endpointId": ENDPOINT["id"],
    "event": "task.created",
    "resourceId": str(new_id()),
    "status": "delivered",
    "attempts": 1,
    "createdAt": rfc3339(utc_now()),
    "lastAttemptAt": rfc3339(utc_now()),
    "nextAttemptAt": None,
    "lastStatusCode": 200,
    "lastError": None,
}
WHERE = f"{HOOKS}/{ENDPOINT['id']}"
CHANGES = [
    ("POST", HOOKS, HOOK, 201),
    ("PATCH", WHERE, {"active": False}, 200),
    ("DELETE", WHERE, None, 204),
    ("POST", f"/api/v1/deliveries/{DELIVERY['id']}/retry", None, 202),
]
ALL = [*CHANGES, ("PUT", WHERE, {}, 200)]
"""Whatever has a key; a change of nothing only reads."""


@pytest.fixture
def nats_url(nats_server):
    return nats_server.url()


@pytest.fixture
async def dispatcher(other_service):
    answering = await other_service("webhook-dispatcher")
    answering.answers |= dict.fromkeys(("create-endpoint", "update-endpoint", "get-endpoint"), ENDPOINT)
    answering.answers["retry-delivery"] = DELIVERY
    return answering


def key(value="k"):
    return {"Idempotency-Key": value}


def is_reuse(answer):
    return answer.status_code == 409 and "another request" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path", "body", "status"), CHANGES)
async def test_a_repeat_gets_the_first_answer_and_says_that_it_is_one(client, dispatcher, method, path, body, status):
    first, *again = [await client.request(method, path, json=body, headers=key()) for _ in range(3)]
    assert first.status_code == status
    assert "idempotency-replayed" not in first.headers
    for answer in again:
        assert (answer.status_code, answer.content) == (first.status_code, first.content)
        assert answer.headers["idempotency-replayed"] == "true"
    assert (len(dispatcher.asked), len(dispatcher.done)) == (3, 1)
    anew = [await client.request(method, path, json=body) for _ in range(2)]
    assert not any("idempotency-replayed" in answer.headers for answer in anew)
    assert len(dispatcher.done) == 3


@pytest.mark.parametrize(("method", "path", "body", "status"), ALL)
async def test_a_key_stands_for_one_request_whichever_service_carries_it_out(
    client, dispatcher, method, path, body, status
):
    assert (await client.post(TASKS, json={"title": "T"}, headers=key("task"))).status_code == 201
    assert is_reuse(await client.request(method, path, json=body, headers=key("task")))
    assert dispatcher.asked == []

    assert (await client.request(method, path, json=body, headers=key())).status_code == status
    assert is_reuse(await client.post(TASKS, json={"title": "T"}, headers=key()))
    for other in (("POST", HOOKS, HOOK | {"active": False}, 0), *ALL):
        if other != (method, path, body, status):
            assert is_reuse(await client.request(*other[:2], json=other[2], headers=key()))
    assert len(dispatcher.asked) == 1
    assert [task["title"] for task in (await client.get(TASKS)).json()["data"]] == ["T"]


async def test_a_key_belongs_to_its_workspace_and_a_request_to_its_caller(client, neighbour, make_member, dispatcher):
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 201
    assert (await neighbour.post(HOOKS, json=HOOK, headers=key())).status_code == 201
    assert len(dispatcher.done) == 2
    admin = await make_member("admin")
    assert is_reuse(await client.post(HOOKS, json=HOOK, headers=key() | admin.headers))


@pytest.mark.parametrize(("method", "path", "body", "status"), CHANGES)
async def test_a_key_whose_request_never_came_there_goes_through_when_it_is_repeated(
    client, dispatcher, other_service, method, path, body, status
):
    """As after a crash between taking the key and asking."""
    await dispatcher.end()
    assert (await client.request(method, path, json=body, headers=key())).status_code == 503
    assert is_reuse(await client.post(TASKS, json={"title": "T"}, headers=key()))
    again = await other_service("webhook-dispatcher")
    again.answers = dispatcher.answers
    answer = await client.request(method, path, json=body, headers=key())
    assert (answer.status_code, answer.headers.get("idempotency-replayed")) == (status, None)


async def test_an_answer_that_was_lost_is_given_to_the_repeat(client, dispatcher):
    dispatcher.answers["create-endpoint"] = {"id": "of a version that nobody here knows"}
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 503
    (command,) = dispatcher.done
    dispatcher.done[command] = ENDPOINT
    answer = await client.post(HOOKS, json=HOOK, headers=key())
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (201, "true")


@pytest.mark.parametrize(
    ("path", "verb"), [(HOOKS, "create-endpoint"), (f"/api/v1/deliveries/{DELIVERY['id']}/retry", "retry-delivery")]
)
async def test_a_refusal_gives_the_key_back_unless_nothing_is_decided(client, account, db, dispatcher, path, verb):
    body = HOOK if path == HOOKS else None
    dispatcher.answers[verb] = ValidationFailed("This address is not public")
    assert (await client.post(path, json=body, headers=key())).status_code == 400
    keys = "SELECT count(*) FROM api.idempotency_keys WHERE workspace_id = $1"
    assert await db.fetchval(keys, account.workspace_id) == 0
    dispatcher.answers[verb] = UnderWay(retry_after=1)
    assert (await client.post(path, json=body, headers=key())).status_code == 409
    assert is_reuse(await client.post(TASKS, json={"title": "T"}, headers=key()))


async def test_a_refusal_gives_no_key_back_whose_request_has_come_again(client, dispatcher):
    """The first is refused, but hears of it only when its repeat was done."""
    refused, go_on = asyncio.Event(), asyncio.Event()

    async def hold():
        if not refused.is_set():
            refused.set()
            await asyncio.wait_for(go_on.wait(), 20)

    dispatcher.after = hold
    dispatcher.answers["create-endpoint"] = ValidationFailed("full")
    first = asyncio.create_task(client.post(HOOKS, json=HOOK, headers=key()))
    await asyncio.wait_for(refused.wait(), 30)
    dispatcher.answers["create-endpoint"] = ENDPOINT
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 201
    go_on.set()
    assert (await first).status_code == 400
    again = await client.post(HOOKS, json=HOOK, headers=key())
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert len(dispatcher.done) == 1
    (entry,) = (await client.get("/api/v1/audit-log")).json()["data"]
    assert entry["outcome"] == "done"


async def test_after_a_day_a_key_stands_for_another_command_and_another_entry(app, client, db, dispatcher):
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 201
    late = "UPDATE api.idempotency_keys SET created_at = created_at - $1::interval WHERE key = 'k'"
    await db.execute(late, timedelta(hours=24, seconds=5))

    anew = await client.post(HOOKS, json=HOOK, headers=key())
    assert (anew.status_code, anew.headers.get("idempotency-replayed")) == (201, None)
    again = await client.post(HOOKS, json=HOOK, headers=key())
    assert again.headers["idempotency-replayed"] == "true"
    first, *others = [command["commandId"] for _, command in dispatcher.asked]
    assert first != others[0] == others[1]
    told = (await client.get("/api/v1/audit-log")).json()["data"]
    assert [(entry["action"], entry["outcome"]) for entry in told] == [("webhook.created", "done")] * 2

    await db.execute(late, timedelta(hours=24, seconds=5))
    resources = app.state.resources
    resources.background.start("forgetting", forgetting(resources.database, resources.wake, poll=0.02).run)
    async with asyncio.timeout(30):
        while await db.fetchval("SELECT count(*) FROM api.idempotency_keys WHERE key = 'k'"):
            await asyncio.sleep(0.02)
    assert (await client.post(TASKS, json={"title": "T"}, headers=key())).status_code == 201


async def test_a_failure_there_keeps_the_key_for_its_request(client, dispatcher):
    dispatcher.answers["create-endpoint"] = FlowTaskError()
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 500
    assert is_reuse(await client.post(TASKS, json={"title": "T"}, headers=key()))
    dispatcher.answers["create-endpoint"] = ENDPOINT
    assert (await client.post(HOOKS, json=HOOK, headers=key())).status_code == 201


async def test_a_key_of_a_write_here_that_is_under_way_is_under_way_for_all(client, db, account, dispatcher):
    project = (await client.post("/api/v1/projects", json={"name": "P"})).json()["data"]["id"]
    async with db.transaction():
        await db.execute("UPDATE api.projects SET name = name WHERE workspace_id = $1", account.workspace_id)
        waiting = asyncio.create_task(client.post(TASKS, json={"title": "A", "projectId": project}, headers=key()))
        async with asyncio.timeout(30):
            while not await db.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"):
                await asyncio.sleep(0.01)
        answer = await client.post(HOOKS, json=HOOK, headers=key())
        assert (answer.status_code, answer.json()["error"]["retryAfter"]) == (409, 1)
    assert (await waiting).status_code == 201
    assert is_reuse(await client.post(HOOKS, json=HOOK, headers=key()))
    assert dispatcher.asked == []
