"""What is held up at ordered webhooks, with an answering service on a live NATS."""

import pytest

from flowtask_contracts.commands.webhook_ordering import AttemptUnderWay, HoldsUpNothing
from flowtask_contracts.errors import NotFound
from flowtask_kit.ids import new_id

WEBHOOK, DELIVERY = str(new_id()), str(new_id())
NOW = "2026-11-22T13:41:53.422Z"
SKIPPED = {
    "id": DELIVERY,
    "eventId": str(new_id()),
    "endpointId": WEBHOOK,
    "event": "task.updated",
    "resourceId": "r",
    "status": "failed",
    "attempts": 4,
    "createdAt": NOW,
    "lastAttemptAt": NOW,
    "nextAttemptAt": None,
    "lastStatusCode": 500,
    "lastError": None,
    "blockedBy": None,
    "blocksSince": None,
}
HELD = {
    "key": "r",
    "ordering": "resource",
    "deliveryId": DELIVERY,
    **{name: SKIPPED[name] for name in ("eventId", "event", "resourceId", "status", "attempts")},
    "since": NOW,
    "nextAttemptAt": None,
    "blocksSince": NOW,
    "lastStatusCode": 500,
    "lastError": None,
    "waiting": 1000,
    "waitingCapped": True,
}


@pytest.fixture
async def dispatcher(other_service):
    answering = await other_service("webhook-dispatcher")
    answering.answers |= {"list-held-keys": {"items": [HELD], "nextCursor": DELIVERY}, "skip-delivery": SKIPPED}
    return answering


async def test_held_keys_are_listed_by_pages(client, account, dispatcher):
    shown = await client.get(f"/api/v1/webhooks/{WEBHOOK}/held-keys", params={"perPage": 1, "cursor": "abc"})
    assert shown.status_code == 200
    assert shown.json() == {"data": [HELD], "meta": {"perPage": 1, "nextCursor": DELIVERY}, "error": None}
    assert dispatcher.last == {
        "workspaceId": str(account.workspace_id),
        "endpointId": WEBHOOK,
        "cursor": "abc",
        "limit": 1,
    }
    assert (await client.get(f"/api/v1/webhooks/{WEBHOOK}/held-keys", params={"perPage": 101})).status_code == 400


async def test_a_delivery_is_skipped_once_for_a_key_and_that_is_in_the_audit_log(client, account, dispatcher):
    where = f"/api/v1/deliveries/{DELIVERY}/skip"
    for _ in range(2):
        skipped = await client.post(where, headers={"Idempotency-Key": "k"})
        assert (skipped.status_code, skipped.json()["data"]) == (200, SKIPPED)
    first, again = [command for verb, command in dispatcher.asked if verb == "skip-delivery"]
    assert first["commandId"] == again["commandId"]
    assert (first["deliveryId"], first["workspaceId"]) == (DELIVERY, str(account.workspace_id))
    told = (await client.get("/api/v1/audit-log")).json()["data"]
    assert {(entry["action"], entry["targetId"], entry["outcome"]) for entry in told} == {
        ("delivery.skipped", DELIVERY, "done")
    }


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(NotFound("Delivery not found"), 404), (HoldsUpNothing(), 409), (AttemptUnderWay(retry_after=5), 409)],
)
async def test_what_the_owner_of_webhooks_refuses_is_told(client, dispatcher, refusal, status):
    dispatcher.answers["skip-delivery"] = refusal
    answer = await client.post(f"/api/v1/deliveries/{DELIVERY}/skip")
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, refusal.message)
    assert answer.headers.get("retry-after") == (None if refusal.retry_after is None else str(refusal.retry_after))


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    ("field", "value"), [("ordering", "tasks"), ("ordering", None), ("afterLastTry", "stop"), ("afterLastTry", None)]
)
async def test_what_is_no_order_is_refused_by_its_place(client, dispatcher, method, field, value):
    path = "/api/v1/webhooks" + ("" if method == "POST" else f"/{WEBHOOK}")
    body = {"url": "https://example.com/hook", "events": ["*"], field: value}
    refused = await client.request(method, path, json=body)
    assert refused.status_code == 400
    assert [detail["field"] for detail in refused.json()["error"]["details"]] == [field]
    assert not dispatcher.asked
