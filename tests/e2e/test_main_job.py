"""A task created over REST arrives as a signed, recorded webhook."""

import asyncio
import json

import httpx2

from e2e.receivers import Receiver, verifies_as_plain_hmac, verifies_as_standard_webhook
from flowtask_local.stack import Stack


async def subscribe(client: httpx2.AsyncClient, receiver: Receiver, *events: str, path: str = "/hooks") -> dict:
    answer = await client.post("/webhooks", json={"url": receiver.url(path), "events": list(events)})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def deliveries_of(client: httpx2.AsyncClient, endpoint: dict, **query: str) -> list[dict]:
    answer = await client.get(f"/webhooks/{endpoint['id']}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def settled(client: httpx2.AsyncClient, endpoint: dict, status: str, count: int) -> list[dict]:
    """The endpoint's deliveries, once that many have that status."""
    for _ in range(400):
        found = await deliveries_of(client, endpoint, status=status)
        if len(found) >= count:
            return found
        await asyncio.sleep(0.05)  # between two looks at the condition
    raise AssertionError(f"{count} deliveries never became {status}: {await deliveries_of(client, endpoint)}")


async def test_every_change_arrives_signed_and_is_recorded(client: httpx2.AsyncClient) -> None:
    async with Receiver() as receiver:
        endpoint = await subscribe(client, receiver, "task.*", "project.*")
        me = (await client.get("/me")).json()["data"]
        project = (await client.post("/projects", json={"name": "Launch"})).json()["data"]
        task = (await client.post("/tasks", json={"title": "Write it", "projectId": project["id"]})).json()["data"]
        await client.patch(f"/tasks/{task['id']}", json={"assigneeId": me["id"]})
        await client.put(f"/tasks/{task['id']}", json={"status": "DONE"})
        assert (await client.delete(f"/tasks/{task['id']}")).status_code == 204
        await receiver.until(lambda: len(receiver.requests) >= 7)

        kinds = sorted(request.headers["x-flowtask-event"] for request in receiver.requests)
        assert kinds == sorted(
            [
                "project.created",
                "task.created",
                *("task.updated", "task.assigned"),
                *("task.updated", "task.completed"),
                "task.deleted",
            ]
        )
        for request in receiver.requests:
            assert verifies_as_standard_webhook(endpoint["secret"], request)
            assert verifies_as_plain_hmac(endpoint["secret"], request)
            body = request.document
            assert body["event"] == request.headers["x-flowtask-event"]
            assert body["id"] == request.headers["webhook-id"]
            assert body["deliveryId"] == request.headers["x-flowtask-delivery"]
            assert body["workspaceId"] == me["workspaceId"]
        created = next(r.document for r in receiver.requests if r.headers["x-flowtask-event"] == "task.created")
        assert created["data"] == task
        delivered = await settled(client, endpoint, "delivered", 7)
        assert {each["attempts"] for each in delivered} == {1}


async def test_the_record_of_a_delivery_shows_each_attempt_and_the_body_that_was_sent(
    client: httpx2.AsyncClient,
) -> None:
    async with Receiver(lambda _path, _headers, _body: 404) as receiver:
        endpoint = await subscribe(client, receiver, "task.created")
        task = (await client.post("/tasks", json={"title": "Refused"})).json()["data"]
        [delivery] = await settled(client, endpoint, "failed", 1)
        detail = (await client.get(f"/deliveries/{delivery['id']}")).json()["data"]
        assert detail["resourceId"] == task["id"]
        assert [attempt["statusCode"] for attempt in detail["attemptLog"]] == [404]
        assert detail["payload"] == receiver.requests[0].document

        retried = await client.post(f"/deliveries/{delivery['id']}/retry")
        assert retried.status_code == 202, retried.text
        await receiver.until(lambda: len(receiver.requests) == 2)
        assert receiver.requests[0].body == receiver.requests[1].body
        assert receiver.requests[0].headers["webhook-id"] == receiver.requests[1].headers["webhook-id"]


async def test_a_failing_receiver_is_tried_again_after_1_5_and_25_seconds_with_the_same_bytes(
    client: httpx2.AsyncClient,
) -> None:
    async with Receiver(lambda _path, _headers, _body: 500) as receiver:
        endpoint = await subscribe(client, receiver, "task.created")
        await client.post("/tasks", json={"title": "Four tries"})
        await receiver.until(lambda: len(receiver.requests) == 4, seconds=45)
        [delivery] = await settled(client, endpoint, "failed", 1)
        waits = [
            later.at - earlier.at for earlier, later in zip(receiver.requests, receiver.requests[1:], strict=False)
        ]
        for wait, planned in zip(waits, (1, 5, 25), strict=True):
            assert planned <= wait <= planned * 1.1 + 1.0
        assert delivery["attempts"] == 4
        assert len({request.body for request in receiver.requests}) == 1
        assert len({request.headers["x-flowtask-delivery"] for request in receiver.requests}) == 1


async def test_one_request_can_be_followed_through_the_logs_of_all_services(
    stack: Stack, client: httpx2.AsyncClient
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with Receiver(lambda _path, _headers, _body: 404) as receiver:
        endpoint = await subscribe(client, receiver, "task.created")
        headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
        await client.post("/tasks", json={"title": "Followed"}, headers=headers)
        await settled(client, endpoint, "failed", 1)

    def told_by(service: str, event: str) -> bool:
        lines = [json.loads(line) for line in stack.service(service).log_lines if trace_id in line]
        return any(line["trace_id"] == trace_id and line["event"] == event for line in lines)

    assert told_by("api", "request")
    assert told_by("webhook-dispatcher", "attempt failed")


async def test_while_the_dispatcher_is_away_only_its_features_are(stack: Stack, client: httpx2.AsyncClient) -> None:
    dispatcher = stack.service("webhook-dispatcher")
    async with Receiver() as receiver:
        await subscribe(client, receiver, "task.created")
        await asyncio.to_thread(dispatcher.kill)
        answer = await client.get("/webhooks")
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert answer.json()["error"]["retryAfter"] > 0
        assert int(answer.headers["retry-after"]) > 0
        assert (await client.post("/tasks", json={"title": "Meanwhile"})).status_code == 201
        await asyncio.to_thread(dispatcher.restart)
        await receiver.until(lambda: len(receiver.requests) == 1)
