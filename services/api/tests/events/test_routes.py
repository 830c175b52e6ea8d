"""Events and their types, against an answering service on a live NATS."""

from typing import Any

import jsonschema
import pytest

from flowtask_contracts.base import rfc3339
from flowtask_contracts.errors import NotFound
from flowtask_contracts.events import PUBLIC_TYPES
from flowtask_kit.ids import new_id, utc_now

EVENT: dict[str, Any] = {
    "id": str(new_id()),
    "type": "task.created",
    "resourceId": str(new_id()),
    "time": rfc3339(utc_now()),
    "erasedAt": None,
}
DETAIL = {**EVENT, "payload": {"event": "task.created", "data": {"n": 1.5}}, "deliveries": [], "moreDeliveries": False}


@pytest.fixture
async def dispatcher(other_service):
    return await other_service("webhook-dispatcher")


async def test_events_are_listed_by_cursor_and_filters(client, account, dispatcher):
    dispatcher.answers["list-events"] = {"items": [EVENT], "nextCursor": EVENT["id"]}

    answer = (await client.get("/api/v1/events?perPage=1")).json()
    assert answer == {"data": [EVENT], "meta": {"perPage": 1, "nextCursor": EVENT["id"]}, "error": None}
    filters = {"resourceId": "r-1", "type": "task.*", "since": "2026-11-22T10:00:00.000Z"}
    filters |= {"until": "2026-11-23T10:00:00.000Z", "cursor": EVENT["id"]}
    assert (await client.get("/api/v1/events", params=filters)).status_code == 200
    assert dispatcher.last == {**filters, "workspaceId": str(account.workspace_id), "limit": 20}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("type=task.**", "type"),
        ("type=*.created", "type"),
        ("type=", "type"),
        ("type=%00", "type"),
        ("since=yesterday", "since"),
        ("until=5", "until"),
        ("resourceId=a%20b", "resourceId"),
        ("perPage=101", "perPage"),
        ("cursor=", "cursor"),
        ("page=1", "page"),
        ("event=task.created", "event"),
    ],
)
async def test_what_cannot_be_asked_for_is_a_400_that_names_it(client, dispatcher, query, field):
    answer = await client.get(f"/api/v1/events?{query}")
    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == [field]
    assert dispatcher.asked == []


async def test_an_event_is_shown_with_its_content_and_one_of_others_is_not_found(client, account, dispatcher):
    dispatcher.answers["get-event"] = DETAIL
    assert (await client.get(f"/api/v1/events/{EVENT['id']}")).json()["data"] == DETAIL
    assert dispatcher.last == {"workspaceId": str(account.workspace_id), "eventId": EVENT["id"]}
    dispatcher.answers["get-event"] = NotFound("Event not found")
    assert (await client.get(f"/api/v1/events/{EVENT['id']}")).status_code == 404
    assert (await client.get("/api/v1/events/what")).status_code == 404


async def test_deliveries_of_an_event_are_found(client, dispatcher):
    dispatcher.answers["list-deliveries"] = {"items": [], "nextCursor": None}
    assert (await client.get(f"/api/v1/deliveries?eventId={EVENT['id']}")).status_code == 200
    assert dispatcher.last["eventId"] == EVENT["id"]
    assert (await client.get("/api/v1/deliveries?eventId=what")).status_code == 400


async def test_types_are_told_without_asking_anybody(client, account, outbox):
    listed = (await client.get("/api/v1/event-types")).json()["data"]
    assert [kind["type"] for kind in listed] == list(PUBLIC_TYPES)
    for kind in listed:
        assert (await client.get(f"/api/v1/event-types/{kind['type']}")).json()["data"] == kind
        jsonschema.Draft202012Validator(kind["schema"], format_checker=jsonschema.FormatChecker()).validate(
            kind["sample"]
        )
    missing = await client.get("/api/v1/event-types/task.vanished")
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "Event type not found")

    await client.post("/api/v1/tasks", json={"title": "T"})
    [event] = await outbox(account.workspace_id)
    body = {"event": event["type"], "data": event["data"], "timestamp": event["time"], "id": event["id"]}
    body |= {"workspaceId": event["workspaceid"], "deliveryId": event["id"]}
    schemas = {kind["type"]: kind["schema"] for kind in listed}
    jsonschema.Draft202012Validator(schemas["task.created"]).validate(body)
