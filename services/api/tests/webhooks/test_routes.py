"""The routes against an answering service on a live NATS, and without one."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from flowtask_contracts.base import rfc3339
from flowtask_contracts.errors import NotFound, ValidationFailed
from flowtask_kit.ids import new_id, utc_now

HOOK = {"url": "https://example.com/hook", "events": ["task.*"]}
ENDPOINT: dict[str, Any] = {
    "id": str(new_id()),
    "delivery": "push",
    "url": "https://example.com/hook",
    "events": ["task.*"],
    "description": None,
    "filter": None,
    "payload": "full",
    "headers": {},
    "metadata": {},
    "active": True,
    "retryPolicy": "standard",
    "retrySchedule": [1, 5, 25],
    "retryOn": "server",
    "rateLimit": None,
    "ratePeriodSeconds": 1,
    "maxConcurrency": None,
    "ordering": "none",
    "afterLastTry": "skip",
    "orderedSince": None,
    "signatures": ["hmac"],
    "circuit": "closed",
    "heldUntil": None,
    "disabledAt": None,
    "disabledReason": None,
    "failingSince": None,
    "missed": None,
    "previousSecretUntil": None,
    "createdBy": str(new_id()),
    "createdAt": rfc3339(utc_now()),
    "updatedAt": rfc3339(utc_now()),
}
DELIVERY: dict[str, Any] = {
    "id": str(new_id()),
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
    "blockedBy": None,
    "blocksSince": None,
}


@pytest.fixture
async def dispatcher(other_service):
    return await other_service("webhook-dispatcher")


async def test_a_webhook_is_created_with_its_secret_in_this_answer_alone(client, account, dispatcher):
    dispatcher.answers["create-endpoint"] = {**ENDPOINT, "secret": "whsec_x", "secretShown": False}
    dispatcher.answers["get-endpoint"] = {**ENDPOINT, "secret": None, "secretShown": False}

    created = await client.post("/api/v1/webhooks", json={**HOOK, "description": "d"})

    assert created.status_code == 201
    assert created.json()["data"] == ENDPOINT | {"secret": "whsec_x"}
    assert created.headers["location"] == f"/api/v1/webhooks/{ENDPOINT['id']}"
    command = dispatcher.last
    assert command.pop("commandId")
    assert command == {
        **HOOK,
        "delivery": "push",
        "workspaceId": str(account.workspace_id),
        "createdBy": str(account.user_id),
        "description": "d",
        "filter": None,
        "payload": "full",
        "headers": {},
        "metadata": {},
        "active": True,
        "retryPolicy": "standard",
        "retrySchedule": None,
        "retryOn": "server",
        "rateLimit": None,
        "ratePeriodSeconds": 1,
        "maxConcurrency": None,
        "ordering": "none",
        "afterLastTry": "skip",
        "signatures": ["hmac"],
        "secret": None,
    }
    shown = await client.get(created.headers["location"])
    assert shown.json() == {"data": ENDPOINT, "meta": None, "error": None}


FILTER = {
    "all": [{"path": "data.priority", "in": ["HIGH"]}, {"path": "changes.dueDate.to", "lt": "2026-12-01T00:00:00Z"}]
}


async def test_what_a_webhook_is_sent_may_be_chosen(client, dispatcher):
    shown = {"filter": FILTER, "payload": "thin", "headers": {"Authorization": "********"}, "metadata": {"team": "a"}}
    dispatcher.answers["create-endpoint"] = {**ENDPOINT, **shown, "secret": "whsec_x"}
    dispatcher.answers["update-endpoint"] = ENDPOINT
    chosen = {**shown, "headers": {"Authorization": "Bearer abc"}}

    created = await client.post("/api/v1/webhooks", json={**HOOK, **chosen})
    assert created.status_code == 201
    assert shown.items() <= created.json()["data"].items()
    assert chosen.items() <= dispatcher.last.items()

    taken_away = {"filter": None, "payload": "full", "headers": {}, "metadata": {}}
    changed = await client.patch(f"/api/v1/webhooks/{ENDPOINT['id']}", json=taken_away)
    assert changed.status_code == 200
    assert taken_away.items() <= dispatcher.last.items()
    await client.patch(f"/api/v1/webhooks/{ENDPOINT['id']}", json={"payload": "thin"})
    assert not taken_away.keys() - {"payload"} & dispatcher.last.keys()


async def test_a_bad_filter_or_header_is_a_400_that_points_to_the_place_and_nobody_is_asked(client, dispatcher):
    bad = {"all": [FILTER, {"path": "data.dueDate", "gte": "soon"}, {"not": {"any": []}}]}
    path = f"/api/v1/webhooks/{ENDPOINT['id']}"
    for method, where, rest in (
        ("POST", "/api/v1/webhooks", HOOK),
        ("PATCH", path, {}),
        ("PUT", path, {}),
        ("POST", "/api/v1/webhooks/filters/try", {}),
    ):
        answer = await client.request(method, where, json={**rest, "filter": bad}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "VALIDATION_ERROR"
        assert [detail["field"] for detail in error["details"]] == ["filter.all[1].gte", "filter.all[2].not.any"]
    refused = await client.patch(path, json={"headers": {"X-A": "secret\r\nvalue", "Host": "x"}})
    assert [detail["field"] for detail in refused.json()["error"]["details"]] == ["headers.X-A", "headers.Host"]
    assert "secret" not in refused.text
    assert dispatcher.asked == []
    deep = "[" * 100_000
    answer = await client.post(
        "/api/v1/webhooks/filters/try",
        content='{"filter": {"not": ' + '{"not": ' * 200 + "1" + "}" * 202,
        headers={"Content-Type": "application/json"},
    )
    assert answer.json()["error"]["details"][0]["field"] == "filter" + ".not" * 5
    answer = await client.post(
        "/api/v1/webhooks/filters/try",
        content=f'{{"filter": {{"all": {deep}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400


async def test_a_filter_is_tried_out(client, account, dispatcher):
    item = {"id": str(new_id()), "type": "task.created", "resourceId": "r", "time": rfc3339(utc_now()), "matches": True}
    trial = {"examined": 1, "matched": 1, "items": [item]}
    dispatcher.answers["try-filter"] = trial
    where = "/api/v1/webhooks/filters/try"

    assert (await client.post(where, json={"webhookId": ENDPOINT["id"]})).json()["data"] == trial
    assert dispatcher.last.pop("commandId")
    assert dispatcher.last == {"workspaceId": str(account.workspace_id), "endpointId": ENDPOINT["id"]}
    others = {"filter": None, "events": ["task.*"], "limit": 5}
    assert (await client.post(where, json=others)).status_code == 200
    assert others.items() <= dispatcher.last.items()
    for bad in ({"limit": 101}, {"limit": 0}, {"webhookId": "x"}, {"events": []}, {"filters": {}}, {"filter": 1}):
        assert (await client.post(where, json=bad)).status_code == 400


async def test_an_idempotency_key_makes_the_same_command_id_in_the_same_workspace(client, neighbour, dispatcher):
    dispatcher.answers["create-endpoint"] = {**ENDPOINT, "secret": None, "secretShown": True}
    ids = []
    for caller, key in ((client, "k"), (client, "k"), (client, "l"), (neighbour, "k"), (client, None), (client, None)):
        headers = {"Idempotency-Key": key} if key else {}
        answer = await caller.post("/api/v1/webhooks", json=HOOK, headers=headers)
        assert answer.json()["data"] == ENDPOINT | {"secretShown": True}
        ids.append(dispatcher.last["commandId"])

    assert ids[0] == ids[1]
    assert len(set(ids)) == 5


@pytest.mark.parametrize("key", ["", "x" * 256, "\x00", "\t", "caf\xe9", "a\x7f"])
async def test_an_idempotency_key_is_1_to_255_printable_ascii_characters(client, dispatcher, key):
    headers = [(b"idempotency-key", key.encode("latin-1"))]

    answer = await client.post("/api/v1/webhooks", json=HOOK, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "Idempotency-Key"
    assert dispatcher.asked == []


async def test_webhooks_are_listed_by_cursor(client, dispatcher):
    dispatcher.answers["list-endpoints"] = {"items": [ENDPOINT], "nextCursor": "abc"}

    answer = (await client.get("/api/v1/webhooks?perPage=1&cursor=xyz")).json()

    assert answer == {"data": [ENDPOINT], "meta": {"perPage": 1, "nextCursor": "abc"}, "error": None}
    assert (dispatcher.last["cursor"], dispatcher.last["limit"]) == ("xyz", 1)
    for query in ("perPage=0", "page=1", "cursor=%00", "cursor=", "limit=1"):
        assert (await client.get(f"/api/v1/webhooks?{query}")).status_code == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_change_names_only_the_fields_that_were_sent(client, dispatcher, method):
    dispatcher.answers["update-endpoint"] = dispatcher.answers["get-endpoint"] = ENDPOINT
    path = f"/api/v1/webhooks/{ENDPOINT['id']}"

    changed = await client.request(method, path, json={"active": False, "description": None})

    assert changed.json()["data"] == ENDPOINT
    assert {"active": False, "description": None}.items() <= dispatcher.last.items()
    assert not {"url", "events", "retryPolicy", "rateLimit"} & set(dispatcher.last)
    limits = {"retryPolicy": "custom", "retrySchedule": [5], "rateLimit": None, "maxConcurrency": 3}
    await client.request(method, path, json=limits)
    assert limits.items() <= dispatcher.last.items()
    assert (await client.request(method, path, json={})).status_code == 200
    assert dispatcher.asked[-1][0] == "get-endpoint"


async def test_a_webhook_is_deleted(client, dispatcher):
    answer = await client.delete(f"/api/v1/webhooks/{ENDPOINT['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert dispatcher.asked[-1][0] == "delete-endpoint"


async def test_deliveries_are_listed_shown_and_retried(client, dispatcher):
    dispatcher.answers |= {
        "list-deliveries": {"items": [DELIVERY], "nextCursor": None},
        "get-delivery": {**DELIVERY, "payload": {"a": 1}, "attemptLog": []},
        "retry-delivery": DELIVERY,
    }
    query = "status=delivered&event=task.created&since=2026-11-22T10:00:00Z"

    listed = await client.get(f"/api/v1/webhooks/{ENDPOINT['id']}/deliveries?{query}")
    assert listed.json() == {"data": [DELIVERY], "meta": {"perPage": 20, "nextCursor": None}, "error": None}
    asked = {"status": "delivered", "event": "task.created", "endpointId": ENDPOINT["id"], "limit": 20}
    assert asked.items() <= dispatcher.last.items()

    shown = await client.get(f"/api/v1/deliveries/{DELIVERY['id']}")
    assert shown.json()["data"] == DELIVERY | {"payload": {"a": 1}, "attemptLog": [], "earlierAttempts": 0}
    assert dispatcher.last["attemptsBefore"] is None
    await client.get(f"/api/v1/deliveries/{DELIVERY['id']}?attemptsBefore=12")
    assert dispatcher.last["attemptsBefore"] == 12
    refused = await client.get(f"/api/v1/deliveries/{DELIVERY['id']}?attemptsBefore=0")
    assert (refused.status_code, refused.json()["error"]["details"][0]["field"]) == (400, "attemptsBefore")

    retried = await client.post(f"/api/v1/deliveries/{DELIVERY['id']}/retry", headers={"Idempotency-Key": "r"})
    assert (retried.status_code, retried.json()["data"]) == (202, DELIVERY)
    for bad in ("status=lost", "event=%00", "event=a%20b", "since=1", "since=2026-01-01", "type=x", "perPage=1000"):
        assert (await client.get(f"/api/v1/webhooks/{ENDPOINT['id']}/deliveries?{bad}")).status_code == 400


async def test_what_the_owner_refuses_is_refused_in_its_words(client, dispatcher):
    dispatcher.answers["get-endpoint"] = NotFound("Webhook not found")
    dispatcher.answers["create-endpoint"] = ValidationFailed("This address is not public")

    missing = await client.get(f"/api/v1/webhooks/{UUID(int=1)}")
    refused = await client.post("/api/v1/webhooks", json=HOOK)

    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "Webhook not found")
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, "This address is not public")


async def test_only_webhooks_are_away_while_nobody_answers(client, nats_url, app):
    assert nats_url
    await asyncio.wait_for(app.state.resources.bus.ready.wait(), 60)

    answer = await client.get("/api/v1/webhooks")

    assert answer.status_code == 503
    error = answer.json()["error"]
    assert error["code"] == "SERVICE_UNAVAILABLE"
    assert int(answer.headers["retry-after"]) == error["retryAfter"] > 0
    assert (await client.post("/api/v1/tasks", json={"title": "T"})).status_code == 201


REPLAY: dict[str, Any] = {
    "id": str(new_id()),
    "endpointId": ENDPOINT["id"],
    "recovery": False,
    "status": "running",
    "waitingFor": None,
    "since": "2026-11-22T10:00:00.000Z",
    "until": rfc3339(utc_now()),
    "statuses": ["failed", "missing"],
    "events": ["*"],
    "total": 3,
    "totalCapped": False,
    "done": 0,
    "delivered": 0,
    "failed": 0,
    "skipped": 0,
    "remaining": 3,
    "createdAt": rfc3339(utc_now()),
    "finishedAt": None,
}
PLANNED = {**REPLAY, "id": None, "status": "planned", "createdAt": None}
WEBHOOK = f"/api/v1/webhooks/{ENDPOINT['id']}"


async def test_a_replay_is_counted_by_a_dry_run_and_begun_without_it(client, account, dispatcher, db):
    dispatcher.answers |= {"count-replay": PLANNED, "start-replay": REPLAY}
    asked = {"since": "2026-11-22T10:00:00Z", "statuses": ["failed", "missing"], "events": ["task.*"]}
    planned = await client.post(f"{WEBHOOK}/replay?dryRun=true", json=asked)
    assert (planned.status_code, planned.json()["data"]) == (202, PLANNED)
    assert "location" not in planned.headers
    wanted = {"endpointId": ENDPOINT["id"]} | asked
    said = dispatcher.last
    assert {name: said[name] for name in wanted} == wanted | {"since": "2026-11-22T10:00:00.000Z"}
    begun = await client.post(f"{WEBHOOK}/replay", json=asked)
    assert (begun.status_code, begun.json()["data"]) == (202, REPLAY)
    assert begun.headers["location"] == f"/api/v1/replays/{REPLAY['id']}"
    assert dispatcher.last["statuses"] == ["failed", "missing"]
    entries = await db.fetch("SELECT action FROM api.audit_entries WHERE workspace_id = $1", account.workspace_id)
    assert [entry["action"] for entry in entries] == ["webhook.replayed"], "a dry run changes nothing"


async def test_what_was_missed_is_recovered_without_saying_more(client, dispatcher):
    dispatcher.answers |= {"count-replay": PLANNED, "start-replay": {**REPLAY, "recovery": True}}
    assert (await client.post(f"{WEBHOOK}/recover?dryRun=true")).status_code == 202
    assert (dispatcher.last["recovery"], dispatcher.last["since"]) == (True, None)
    assert (await client.post(f"{WEBHOOK}/recover")).json()["data"]["recovery"] is True
    assert (await client.post(f"{WEBHOOK}/recover", json={"since": "2026-11-22T10:00:00Z"})).status_code == 202
    assert dispatcher.last["since"] == "2026-11-22T10:00:00.000Z"


async def test_replays_are_listed_shown_and_cancelled(client, dispatcher):
    dispatcher.answers |= {
        "list-replays": {"items": [REPLAY], "nextCursor": "c"},
        "get-replay": REPLAY,
        "cancel-replay": {**REPLAY, "status": "cancelling"},
    }
    for path, endpoint in ((f"{WEBHOOK}/replays", ENDPOINT["id"]), ("/api/v1/replays", None)):
        listed = await client.get(path, params={"perPage": 1})
        assert listed.json()["data"] == [REPLAY]
        assert listed.json()["meta"] == {"perPage": 1, "nextCursor": "c"}
        assert dispatcher.last["endpointId"] == endpoint
    await client.get("/api/v1/replays", params={"webhookId": ENDPOINT["id"]})
    assert dispatcher.last["endpointId"] == ENDPOINT["id"]
    assert (await client.get(f"/api/v1/replays/{REPLAY['id']}")).json()["data"] == REPLAY
    cancelled = await client.post(f"/api/v1/replays/{REPLAY['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["data"]["status"]) == (202, "cancelling")
    assert dispatcher.last["replayId"] == REPLAY["id"]


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ("", {}, "since"),
        ("", {"since": "yesterday"}, "since"),
        ("", {"since": "2026-11-22T10:00:00Z", "statuses": ["failed", "pending"]}, "statuses.1"),
        ("", {"since": "2026-11-22T10:00:00Z", "statuses": []}, "statuses"),
        ("", {"since": "2026-11-22T10:00:00Z", "event": "task.*"}, "event"),
        ("?dryrun=true", {"since": "2026-11-22T10:00:00Z"}, "dryrun"),
        ("?dryRun=perhaps", {"since": "2026-11-22T10:00:00Z"}, "dryRun"),
    ],
)
async def test_a_bad_replay_is_a_400_that_points_to_the_place(client, dispatcher, query, body, field):
    answer = await client.post(f"{WEBHOOK}/replay{query}", json=body)
    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == [field]
    assert not dispatcher.asked


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("field", ["rateLimit", "ratePeriodSeconds", "maxConcurrency"])
@pytest.mark.parametrize("value", [True, "7", 1.5], ids=str)
async def test_what_only_looks_like_a_number_is_refused_by_its_place(client, dispatcher, method, field, value):
    where = "/api/v1/webhooks" if method == "POST" else WEBHOOK
    refused = await client.request(method, where, json={**HOOK, field: value})
    assert refused.status_code == 400
    assert [detail["field"] for detail in refused.json()["error"]["details"]] == [field]
    waits = {"retryPolicy": "custom", "retrySchedule": [5, value]}
    refused = await client.request(method, where, json={**HOOK, **waits})
    assert [detail["field"] for detail in refused.json()["error"]["details"]] == ["retrySchedule.1"]
    refused = await client.post("/api/v1/webhooks/filters/try", json={"limit": value})
    assert [detail["field"] for detail in refused.json()["error"]["details"]] == ["limit"]
    assert not dispatcher.asked
