"""What owners see of what has happened."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jsonschema
import orjson
import pytest

from flowtask_contracts.commands import EraseEvent, GetEvent, ListDeliveries, ListEvents
from flowtask_contracts.errors import NotFound, ValidationFailed
from flowtask_contracts.event_types import event_types, sample_document
from flowtask_contracts.webhook_content import LARGEST_BODY
from flowtask_kit.bus.replies import REPLY_BYTES
from flowtask_kit.ids import new_id, utc_now
from flowtask_webhook_dispatcher.deliveries.identity import delivery_id, first_id_of
from flowtask_webhook_dispatcher.dispatch.payload import PublicEvent


@pytest.fixture(autouse=True)
async def served(serve):
    return await serve()


@pytest.fixture
def listed(ask, workspace):
    async def page(**asked):
        return await ask(ListEvents(**{"workspace_id": workspace, **asked}))

    return page


@pytest.fixture
def event_of(ask, workspace):
    async def get(event_id, of=None):
        return await ask(GetEvent(workspace_id=of or workspace, event_id=event_id))

    return get


@pytest.fixture
def kept(sql, until):
    """Wait until so many events are on record."""

    async def wait(number):
        async def there():
            return (await sql("SELECT count(*) FROM webhooks.messages"))[0][0] == number

        await until(there)

    return wait


@pytest.fixture
def publish(publish, cloud_event):
    """Like the outer one, for types that the api may not publish and of a resource that is given."""

    async def send(kind="task.created", *, resource=None, **more):
        event_id = more.pop("event_id", None) or new_id()
        document = orjson.loads(cloud_event(kind, event_id=event_id, **more))
        document["subject"] = resource or document["subject"]
        return await publish(
            kind, payload=orjson.dumps(document), event_id=event_id, subject=f"events.task.{kind.replace('.', '-')}"
        )

    return send


def ids(page):
    return [item.id for item in page.items]


async def test_every_event_is_listed_newest_first_whether_it_matches_an_endpoint_or_not(
    listed, publish, subscribe, receive, kept
):
    receiver = await receive()
    await subscribe(receiver.url, ["project.*"])
    sent = [await publish(kind) for kind in ("task.created", "project.created", "strange.thing", "task.updated")]
    await publish(workspace_id=uuid4())
    await kept(5)

    page = await listed()
    assert ids(page) == sent[::-1]
    assert [item.type for item in page.items] == ["task.updated", "strange.thing", "project.created", "task.created"]
    assert page.next_cursor is None
    assert all(abs(utc_now() - item.time) < timedelta(minutes=1) for item in page.items)
    seen, cursor = [], None
    while len(seen) < 4:
        page = await listed(limit=1, cursor=cursor)
        seen += ids(page)
        cursor = page.next_cursor
    assert (seen, cursor) == (sent[::-1], None)


async def test_they_are_found_by_resource_type_group_and_time(listed, publish, kept):
    task, project = str(uuid4()), str(uuid4())
    day = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    sent = []
    for number, (kind, subject) in enumerate(
        [
            ("task.created", task),
            ("project.created", project),
            ("task.updated", task),
            ("taskforce.made", project),
            ("task.updated", str(uuid4())),
            ("inbound.acme.order.paid", project),
        ]
    ):
        event_id = first_id_of(day + timedelta(minutes=number))
        sent.append(await publish(kind, event_id=event_id, resource=subject))
    await kept(6)

    async def found(**asked):
        return [sent.index(each) for each in ids(await listed(**asked))]

    assert await found(resource_id=task) == [2, 0]
    assert await found(resource_id=task, type="task.updated") == [2]
    assert await found(resource_id=project, type="task.*") == []
    assert await found(type="task.updated") == [4, 2]
    assert await found(type="task.*") == [4, 2, 0]
    assert await found(type="inbound.acme.*") == [5]
    assert await found(type="*") == [5, 4, 3, 2, 1, 0]
    assert await found(type="mail.*") == await found(type="task.creat") == []
    assert await found(since=day + timedelta(minutes=2), until=day + timedelta(minutes=5)) == [4, 3, 2]
    assert await found(type="task.*", since=day + timedelta(minutes=1), until=day + timedelta(minutes=4)) == [2]
    first = await listed(type="task.*", limit=2)
    assert [item.time for item in first.items] == [day + timedelta(minutes=4), day + timedelta(minutes=2)]
    assert ids(await listed(type="task.*", limit=2, cursor=first.next_cursor)) == [sent[0]]
    assert (await listed(workspace_id=uuid4())).items == ()
    with pytest.raises(ValidationFailed) as refusal:
        await listed(cursor="what")
    assert [detail.field for detail in refusal.value.details] == ["cursor"]


async def test_an_event_shows_what_a_receiver_gets_and_where_it_went(
    event_of, publish, subscribe, receive, settled, ask, workspace
):
    receiver = await receive()
    full, thin = await subscribe(receiver.url), await subscribe(receiver.url, payload="thin")
    await subscribe(receiver.url, ["project.*"])
    event_id = await publish("task.updated", data={"title": "x"}, changes={"title": {"from": "a", "to": "x"}})
    await settled(full, event_id, "delivered")
    await settled(thin, event_id, "delivered")

    event = await event_of(event_id)
    [sent] = [request.document for request in receiver.of(event_id) if "payload" not in request.document]
    assert sent == {**event.payload, "deliveryId": str(delivery_id(event_id, full.id))}
    assert {(each.endpoint_id, each.status) for each in event.deliveries} == {
        (full.id, "delivered"),
        (thin.id, "delivered"),
    }
    assert (event.id, event.type, event.erased_at, event.more_deliveries) == (event_id, "task.updated", None, False)
    found = (await ask(ListDeliveries(workspace_id=workspace, event_id=event_id))).items
    assert {each.id for each in found} == {each.id for each in event.deliveries}


async def test_an_event_of_another_workspace_or_none_is_not_found(event_of, publish, kept):
    event_id = await publish()
    await kept(1)
    for asked in (event_of(event_id, of=uuid4()), event_of(new_id())):
        with pytest.raises(NotFound):
            await asked
    assert (await event_of(event_id)).deliveries == ()


async def test_of_an_erased_event_only_that_it_was_is_shown(event_of, listed, publish, ask, workspace, kept):
    event_id = await publish(data={"title": "for nobody"})
    await kept(1)
    await ask(EraseEvent(workspace_id=workspace, command_id=new_id(), event_id=event_id))

    event = await event_of(event_id)
    assert event.payload is None
    assert event.erased_at is not None
    assert (await listed()).items[0].erased_at == event.erased_at
    assert "nobody" not in event.model_dump_json()


async def test_the_largest_event_with_the_most_deliveries_fits_into_a_reply(event_of, publish, sql, kept):
    event_id = await publish(data={"text": "x" * (LARGEST_BODY - 500)})
    large = await publish(data={"text": "x" * LARGEST_BODY})
    await kept(2)
    await sql(
        "INSERT INTO webhooks.deliveries (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status,"
        " attempts, last_error) SELECT m.event_id, gen_random_uuid(), gen_random_uuid(), m.workspace_id, m.type,"
        " m.resource_id, 'failed', 1, repeat('y', 4000) FROM webhooks.messages m, generate_series(1, 120)"
        " WHERE m.event_id = $1",
        event_id,
    )
    event = await event_of(event_id)
    assert 10 < len(event.deliveries) <= 100
    assert event.more_deliveries
    assert len(event.model_dump_json(by_alias=True)) < REPLY_BYTES
    assert (await event_of(large)).payload["payload"] == "too_large"


@pytest.mark.parametrize("kind", event_types())
def test_the_bodies_that_are_sent_fit_the_schemas_that_are_shown(kind):
    event = PublicEvent.parse(orjson.dumps(sample_document(kind, new_id())))
    shown = event_types()[kind]
    for thin, schema in ((False, shown.json_schema), (True, shown.thin_schema)):
        body = orjson.loads(event.body(uuid4(), thin=thin))
        jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(body)
        if not thin:
            assert body.keys() == shown.sample.keys()
            assert (body["data"], body.get("changes")) == (shown.sample["data"], shown.sample.get("changes"))
