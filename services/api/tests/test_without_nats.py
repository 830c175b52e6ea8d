import asyncio
from uuid import UUID

import pytest

ONE = UUID(int=1)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/webhooks", None),
        ("POST", "/api/v1/webhooks", {"url": "https://example.com", "events": ["*"]}),
        ("GET", f"/api/v1/webhooks/{ONE}", None),
        ("PATCH", f"/api/v1/webhooks/{ONE}", {"active": False}),
        ("DELETE", f"/api/v1/webhooks/{ONE}", None),
        ("GET", f"/api/v1/webhooks/{ONE}/deliveries", None),
        ("GET", f"/api/v1/deliveries/{ONE}", None),
        ("POST", f"/api/v1/deliveries/{ONE}/retry", None),
        ("GET", "/api/v1/emails", None),
        ("GET", f"/api/v1/emails/{ONE}", None),
        ("GET", "/api/v1/billing/subscription", None),
    ],
)
async def test_without_nats_what_others_answer_is_503_with_a_time_to_come_back(client, method, path, body):
    answer = await client.request(method, path, json=body)

    assert answer.status_code == 503
    error = answer.json()["error"]
    assert (error["code"], error["retryAfter"]) == ("SERVICE_UNAVAILABLE", int(answer.headers["retry-after"]))


async def test_requests_that_wait_for_webhooks_hold_no_connection(client):
    async with asyncio.timeout(4):
        waiting = [asyncio.create_task(client.get("/api/v1/webhooks")) for _ in range(20)]
        answers = [await client.get("/api/v1/tasks") for _ in range(5)]
        await asyncio.gather(*waiting)

    assert {answer.status_code for answer in answers} == {200}
