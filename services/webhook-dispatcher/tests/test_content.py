"""What receivers get as their owners have chosen it: filters, thin payloads, headers; and what is kept and shown of that."""

import orjson
import pytest
from standardwebhooks import Webhook

from flowtask_contracts.commands import DeleteEndpoint, GetEndpoint, TryFilter, UpdateEndpoint
from flowtask_contracts.errors import NotFound, ValidationFailed
from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.deliveries.identity import first_id_of
from flowtask_webhook_dispatcher.endpoints.content import SETTLING

URGENT = {"path": "data.priority", "in": ["HIGH", "URGENT"]}
DONE = {"all": [URGENT, {"path": "changes.status.to", "eq": "DONE"}]}
SECRET = "Bearer c2VjcmV0IG9mIHRoZSByZWNlaXZlcg"


@pytest.fixture(autouse=True)
async def served(serve):
    return await serve()


@pytest.fixture
def change(ask, workspace):
    async def asking(endpoint, **fields):
        command = UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, **fields)
        return await ask(command)

    return asking


@pytest.fixture
def attempt(ask, workspace):
    async def asking(**fields):
        return await ask(TryFilter(workspace_id=workspace, **fields))

    return asking


def first_of_a_change():
    """The id of an event for which a form counts that was chosen just now; it is before any that is chosen from now on."""
    return first_id_of(utc_now() + SETTLING)


async def test_only_events_that_a_filter_holds_of_are_sent_and_all_are_kept(
    receive, subscribe, publish, until, sql, change
):
    some, all_ = await receive(), await receive()
    endpoint = await subscribe(some.url, ["task.*"], filter=DONE)
    await subscribe(all_.url)
    ids = [
        await publish("task.updated", data={"priority": priority}, changes={"status": {"from": "TODO", "to": to}})
        for priority in ("LOW", "HIGH", None, "URGENT")
        for to in ("DONE", "IN_PROGRESS")
    ]
    ids.append(await publish("task.created", data={"priority": "HIGH"}))
    ids.append(await publish("project.updated", data={"priority": "HIGH"}, changes={"status": {"to": "DONE"}}))
    await until(lambda: len(all_.requests) == 10 and len(some.requests) == 2)
    assert [request.event_id for request in some.requests] == [str(ids[2]), str(ids[6])]

    async def all_are_kept():
        return len(await sql("SELECT event_id FROM webhooks.messages")) == 10

    await until(all_are_kept)
    assert (await change(endpoint, filter=None)).filter is None
    last = await publish("task.created", data={})
    await until(lambda: str(last) in some.ids())
    assert len(some.requests) == 3


async def test_a_filter_judges_any_event_without_a_stumble(receive, subscribe, publish, until):
    receiver = await receive()
    await subscribe(receiver.url, filter={"not": {"path": "data.a.b", "gte": 5}})
    strange = (None, [], "x", 5, {"a": None}, {"a": []}, {"a": {"b": None}}, {"a": {"b": {}}}, {"a": {"b": "6"}})
    ids = [str(await publish(data=data)) for data in strange]
    await publish(data={"a": {"b": 6}})
    ids.append(str(await publish(data={"a": {"b": 4.5}})))
    await until(lambda: len(receiver.requests) == len(ids))
    assert sorted(receiver.ids()) == sorted(ids)


async def test_a_bad_filter_is_refused_at_its_place_and_changes_nothing(subscribe, change, ask, workspace, attempt):
    bad = {"all": [URGENT, {"path": "data.dueDate", "gte": "soon"}]}
    endpoint = await subscribe("https://example.com/", filter=DONE)
    for asked in (
        subscribe("https://example.com/", filter=bad),
        change(endpoint, filter=bad, description="new"),
        attempt(filter=bad),
    ):
        with pytest.raises(ValidationFailed) as refusal:
            await asked
        assert [detail.field for detail in refusal.value.details] == ["filter.all[1].gte"]
    kept = await ask(GetEndpoint(workspace_id=workspace, endpoint_id=endpoint.id))
    assert (kept.filter, kept.description) == (DONE, None)


async def test_a_thin_webhook_has_ids_and_nothing_of_what_was_written(receive, subscribe, publish, settled):
    receiver = await receive()
    endpoint = await subscribe(receiver.url, payload="thin")
    event = await publish(
        "task.updated", data={"title": "for nobody else"}, changes={"title": {"from": "a", "to": "b"}}
    )
    found = await settled(endpoint, event, "delivered")
    [request] = receiver.requests
    assert request.document == {
        "event": "task.updated",
        "data": {"id": found.resource_id},
        "timestamp": request.document["timestamp"],
        "id": str(event),
        "workspaceId": request.document["workspaceId"],
        "payload": "thin",
        "deliveryId": str(found.id),
    }
    assert Webhook(endpoint.secret).verify(request.body, request.headers) == request.document == found.payload
    assert found.attempt_log[0].status_code == 200


async def test_a_repeat_has_the_same_bytes_whatever_was_chosen_between_it_and_the_first_try(
    receive, subscribe, publish, settled, change, until
):
    answers = {}
    receiver = await receive(lambda request: answers.get(len(receiver.of(request.event_id)), 204))
    answers |= {1: 500}
    full = await subscribe(receiver.url, retry_policy="custom", retry_schedule=[2])
    first = await publish(data={"title": "x"})
    await until(lambda: receiver.of(first))
    assert (await change(full, payload="thin")).payload == "thin"
    new = first_of_a_change()
    found = await settled(full, first, "delivered")
    before, after = receiver.of(first)
    assert before.body == after.body
    assert found.payload == before.document
    assert "payload" not in before.document

    assert await publish(event_id=new) == new
    await until(lambda: receiver.of(new))
    assert (await change(full, payload="full")).payload == "full"
    newest = first_of_a_change()
    await settled(full, new, "delivered")
    thin, repeat = receiver.of(new)
    assert thin.body == repeat.body
    assert thin.document["payload"] == "thin"
    await publish(event_id=newest)
    await settled(full, newest, "delivered")
    assert "payload" not in receiver.of(newest)[0].document


async def test_a_body_beyond_256_kib_is_sent_with_ids_only_and_says_so(receive, subscribe, publish, settled):
    receiver = await receive()
    endpoint = await subscribe(receiver.url)
    frame = await publish(data={"text": ""})
    await settled(endpoint, frame, "delivered")
    room = 256 * 1024 - len(receiver.requests[0].body)
    largest, too_large = [await publish(data={"text": "x" * length}) for length in (room, room + 1)]
    for event in (largest, too_large):
        await settled(endpoint, event, "delivered")
    [request] = receiver.of(largest)
    assert len(request.body) == 256 * 1024
    [request] = receiver.of(too_large)
    assert request.document["payload"] == "too_large"
    assert request.document["data"].keys() == {"id"}
    assert Webhook(endpoint.secret).verify(request.body, request.headers)["id"] == str(too_large)


async def test_headers_are_sent_beside_ours_and_their_values_stand_nowhere(
    receive, subscribe, publish, settled, change, sql, postgres_server
):
    receiver = await receive()
    endpoint = await subscribe(receiver.url, headers={"Authorization": SECRET, "X-Tenant": "tenant-7-of-nine"})
    assert endpoint.headers == {"Authorization": "********", "X-Tenant": "********"}
    found = await settled(endpoint, await publish(), "delivered")
    [request] = receiver.requests
    assert (request.headers["authorization"], request.headers["x-tenant"]) == (SECRET, "tenant-7-of-nine")
    assert Webhook(endpoint.secret).verify(request.body, request.headers)
    logged = {header.name: header.value for header in found.attempt_log[0].request_headers}
    assert (logged["Authorization"], logged["X-Tenant"]) == ("********", "********")
    assert logged["X-FlowTask-Delivery"] == str(found.id)

    changed = await change(endpoint, headers={"authorization": "********", "X-New": "9"})
    assert changed.headers == {"authorization": "********", "X-New": "********"}
    second = await publish()
    await settled(endpoint, second, "delivered")
    [request] = receiver.of(second)
    assert (request.headers["authorization"], request.headers["x-new"]) == (SECRET, "9")
    assert "x-tenant" not in request.headers
    tables = await sql(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'webhooks'"
    )
    for table in tables:
        for row in await sql(f"SELECT t::text AS text FROM {table['name']} t"):  # noqa: S608 - quoted by the server
            for value in (SECRET, "tenant-7-of-nine"):
                assert value not in row["text"]
                assert value.encode().hex() not in row["text"]
    assert not any(SECRET in line for line in postgres_server.log_lines)

    assert (await change(endpoint, headers={})).headers == {}
    third = await publish()
    await settled(endpoint, third, "delivered")
    assert "authorization" not in receiver.of(third)[0].headers


async def test_headers_that_may_not_be_sent_are_refused_by_name(subscribe, change):
    endpoint = await subscribe("https://example.com/")
    for bad in ("Host", "X-FlowTask-Event", "Content-Type"):
        for asked in (subscribe("https://example.com/", headers={bad: "x"}), change(endpoint, headers={bad: "x"})):
            with pytest.raises(ValidationFailed) as refusal:
                await asked
            assert [detail.field for detail in refusal.value.details] == [f"headers.{bad}"]


async def test_what_was_headers_goes_with_its_endpoint(subscribe, sql, ask, workspace):
    endpoint = await subscribe("https://example.com/", headers={"X-A": SECRET}, metadata={"team": "a"})
    assert endpoint.metadata == {"team": "a"}
    await ask(DeleteEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id))
    [row] = await sql("SELECT headers, secret FROM webhooks.endpoints")
    assert (row["headers"], row["secret"]) == (None, None)


async def test_notes_are_kept_and_replaced_as_a_whole(subscribe, change, ask, workspace):
    endpoint = await subscribe("https://example.com/", metadata={"team": "billing", "ö": ""}, description="d")
    assert (await change(endpoint, active=False)).metadata == {"team": "billing", "ö": ""}
    assert (await change(endpoint, metadata={"x": "y"})).metadata == {"x": "y"}
    assert (await change(endpoint, metadata={}, description=None)).metadata == {}
    shown = await ask(GetEndpoint(workspace_id=workspace, endpoint_id=endpoint.id))
    assert (shown.metadata, shown.description, shown.payload, shown.filter, shown.headers) == (
        {},
        None,
        "full",
        None,
        {},
    )


async def test_a_filter_is_tried_against_what_has_happened(receive, subscribe, publish, settled, attempt, sql):
    receiver = await receive()
    everything = await subscribe(receiver.url)
    saved = await subscribe(receiver.url, ["task.*"], filter=URGENT)
    stranger = await subscribe(receiver.url, workspace_id=new_id())
    events = [await publish("task.created", data={"priority": each, "title": "hidden"}) for each in ("LOW", "HIGH")]
    events.append(await publish("project.created", data={"priority": "HIGH"}))
    await publish("task.created", data={"priority": "HIGH"}, workspace_id=new_id())
    for event in events:
        await settled(everything, event, "delivered")

    def told(trial):
        assert trial.examined == len(trial.items)
        assert trial.matched == sum(item.matches for item in trial.items)
        return {item.id: item.matches for item in trial.items}

    low, high, project = events
    trial = await attempt(endpoint_id=saved.id)
    assert told(trial) == {project: False, high: True, low: False}
    assert [item.id for item in trial.items] == sorted(events, reverse=True)
    assert trial.items[0].type == "project.created"
    assert trial.items[0].time is not None
    assert "hidden" not in trial.model_dump_json()
    assert told(await attempt(endpoint_id=saved.id, filter=None)) == {project: False, high: True, low: True}
    assert told(await attempt(endpoint_id=saved.id, events=["*"])) == {project: True, high: True, low: False}
    assert told(await attempt(filter={"not": URGENT})) == {project: False, high: False, low: True}
    assert told(await attempt(limit=1)) == {project: True}
    for unknown in (new_id(), stranger.id):
        with pytest.raises(NotFound):
            await attempt(endpoint_id=unknown)
    with pytest.raises(ValidationFailed):
        await attempt(events=["task.exploded"])
    assert len(receiver.requests) == 4  # nothing was sent by trying
    assert (
        orjson.loads((await sql("SELECT filter FROM webhooks.endpoints WHERE filter IS NOT NULL"))[0]["filter"])
        == URGENT
    )
