"""Test webhooks, against an answering service on a live NATS."""

from typing import Any

import pytest

from flowtask_contracts.base import rfc3339
from flowtask_contracts.errors import Conflict, RateLimited
from flowtask_kit.ids import new_id, utc_now

WEBHOOK = str(new_id())
SENT: dict[str, Any] = {
    "at": rfc3339(utc_now()),
    "durationMs": 42,
    "dnsMs": None,
    "connectMs": 0.3,
    "tlsMs": None,
    "firstByteMs": 41.3,
    "statusCode": 204,
    "error": None,
    "errorCode": None,
    "requestHeaders": [{"name": "X-FlowTask-Test", "value": "true"}],
    "responseHeaders": [],
    "responseBody": None,
    "responseTruncated": False,
    "id": str(new_id()),
    "deliveryId": str(new_id()),
    "event": "task.created",
    "delivered": True,
    "matches": True,
    "payload": {"test": True, "event": "task.created"},
}


@pytest.fixture
async def dispatcher(other_service):
    found = await other_service("webhook-dispatcher")
    found.answers["send-test"] = {**SENT, "secret": None, "secretShown": False}
    found.answers["send-test-to"] = {**SENT, "matches": None, "secret": "whsec_x", "secretShown": False}
    return found


async def test_a_webhook_is_tested_and_the_audit_log_tells_of_it(client, account, dispatcher):
    answer = await client.post(f"/api/v1/webhooks/{WEBHOOK}/test")
    assert (answer.status_code, answer.json()["data"]) == (200, SENT)
    assert dispatcher.last.pop("commandId")
    assert dispatcher.last == {"workspaceId": str(account.workspace_id), "endpointId": WEBHOOK, "event": "task.created"}
    await client.post(f"/api/v1/webhooks/{WEBHOOK}/test", json={"event": "project.deleted"})
    assert dispatcher.last["event"] == "project.deleted"
    entries = (await client.get("/api/v1/audit-log?action=webhook.tested")).json()["data"]
    assert [(each["targetId"], each["details"], each["outcome"]) for each in entries] == [
        (WEBHOOK, {"event": "project.deleted"}, "done"),
        (WEBHOOK, {"event": "task.created"}, "done"),
    ]


async def test_a_url_is_tested_and_its_new_secret_is_shown_and_kept_nowhere(client, dispatcher):
    body = {"url": "https://example.com/hook?token=abc", "headers": {"X-A": "b"}, "payload": "thin"}
    answer = await client.post("/api/v1/webhooks/test", json=body)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["data"] == SENT | {"matches": None, "secret": "whsec_x"}
    assert {**body, "event": "task.created", "secret": None}.items() <= dispatcher.last.items()
    entries = (await client.get("/api/v1/audit-log?action=webhook.tested")).json()
    assert entries["data"][0]["targetId"] == SENT["id"]
    assert "example.com" not in str(entries)


async def test_a_repeat_of_a_key_is_the_same_command(client, dispatcher):
    ids = set()
    for _ in range(2):
        await client.post(f"/api/v1/webhooks/{WEBHOOK}/test", headers={"Idempotency-Key": "k"})
        ids.add(dispatcher.last["commandId"])
    assert len(ids) == 1


async def test_refusals_come_through(client, dispatcher):
    for refusal, status in ((RateLimited(retry_after=7), 429), (Conflict("is not known"), 409)):
        dispatcher.answers["send-test"] = refusal
        answer = await client.post(f"/api/v1/webhooks/{WEBHOOK}/test")
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, refusal.code)
        assert answer.headers.get("retry-after") == ("7" if status == 429 else None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "https://example.com", "secret": "whsec_short"}, "secret"),
        ({"url": "https://example.com", "headers": {"Host": "x"}}, "headers.Host"),
        ({"url": "https://example.com", "filter": {}}, "filter"),
        ({"url": "https://example.com", "event": ""}, "event"),
    ],
)
async def test_what_cannot_be_asked_for_is_a_400_that_names_it(client, dispatcher, body, field):
    answer = await client.post("/api/v1/webhooks/test", json=body)
    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == [field]
    assert dispatcher.asked == []
