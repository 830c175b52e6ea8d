"""An endpoint that was answered with 201 hears of everything that is created after it, on whichever replica."""

import asyncio

import httpx2
import pytest

from e2e.receivers import Receiver

ROUNDS = 300
LANES = 4


@pytest.fixture(scope="module")
def replicas() -> dict[str, int]:
    return {"webhook-dispatcher": 2}


async def test_a_task_created_right_after_an_endpoint_is_always_delivered_to_it(client: httpx2.AsyncClient) -> None:
    heard: set[tuple[str, str]] = set()

    async with Receiver() as receiver:

        async def one(number: int) -> None:
            path = f"/hooks/{number}"
            endpoint = await client.post("/webhooks", json={"url": receiver.url(path), "events": ["task.created"]})
            assert endpoint.status_code == 201, endpoint.text
            task = await client.post("/tasks", json={"title": f"after endpoint {number}"})
            assert task.status_code == 201, task.text
            wanted = (path, task.json()["data"]["id"])
            await receiver.until(lambda: wanted in noticed(receiver, heard), seconds=60)
            removed = await client.delete(f"/webhooks/{endpoint.json()['data']['id']}")
            assert removed.status_code == 204

        async def lane(first: int) -> None:
            for number in range(first, ROUNDS, LANES):
                await one(number)

        async with asyncio.TaskGroup() as group:
            for first in range(LANES):
                group.create_task(lane(first))
    assert len({path for path, _ in heard}) == ROUNDS


def noticed(receiver: Receiver, heard: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """All (path, task) that have come, each request looked at once."""
    new, receiver.requests = receiver.requests, []
    heard.update((request.path, request.document["data"]["id"]) for request in new)
    return heard
