"""Polls, against an answering service on a live NATS."""

import base64

import pytest

from flowtask_contracts.errors import Conflict, NotFound
from flowtask_kit.ids import new_id

WEBHOOK = str(new_id())
CURSOR = base64.urlsafe_b64encode(bytes(24)).decode()
PAGE = {
    "items": [{"id": str(new_id()), "event": "task.created", "deliveryId": str(new_id()), "payload": {"n": 1}}],
    "nextCursor": CURSOR,
    "hasMore": False,
}


@pytest.fixture
async def dispatcher(other_service):
    found = await other_service("webhook-dispatcher")
    found.answers["poll-endpoint"] = PAGE
    return found


async def test_a_webhook_is_polled_with_a_key_that_may_read_webhooks(client, account, dispatcher, make_key, stranger):
    answer = await client.get(f"/api/v1/webhooks/{WEBHOOK}/poll")
    assert answer.json() == {"data": PAGE, "meta": None, "error": None}
    assert dispatcher.last == {
        "workspaceId": str(account.workspace_id),
        "endpointId": WEBHOOK,
        "cursor": None,
        "limit": 20,
    }
    headers = await make_key(account, "webhooks:read")
    path = f"/api/v1/webhooks/{WEBHOOK}/poll?cursor={CURSOR}&limit=5"
    assert (await stranger.get(path, headers=headers)).status_code == 200
    assert (dispatcher.last["cursor"], dispatcher.last["limit"]) == (CURSOR, 5)
    assert (await stranger.get(path, headers=await make_key(account, "read"))).status_code == 403


async def test_refusals_come_through(client, dispatcher):
    for refusal, status in ((Conflict("is sent its events"), 409), (NotFound(), 404)):
        dispatcher.answers["poll-endpoint"] = refusal
        assert (await client.get(f"/api/v1/webhooks/{WEBHOOK}/poll")).status_code == status


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "cursor=", "cursor=a%20b", "perPage=1", "wait=x"])
async def test_what_cannot_be_asked_for_is_a_400(client, dispatcher, query):
    assert (await client.get(f"/api/v1/webhooks/{WEBHOOK}/poll?{query}")).status_code == 400
    assert dispatcher.asked == []


@pytest.mark.parametrize(
    "body", [{"delivery": "poll", "url": "https://example.com"}, {}, {"delivery": "push"}, {"url": None}]
)
async def test_a_url_is_for_those_who_are_sent_to(client, dispatcher, body):
    answer = await client.post("/api/v1/webhooks", json={"events": ["*"], **body})
    assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (400, "url")
    assert dispatcher.asked == []
