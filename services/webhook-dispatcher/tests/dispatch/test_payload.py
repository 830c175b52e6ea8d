from uuid import UUID, uuid4

import orjson
import pytest

from flowtask_webhook_dispatcher.dispatch.payload import NotAnEvent, PublicEvent

EVENT, WORKSPACE, DELIVERY = uuid4(), uuid4(), uuid4()


def document(**changed):
    named = {
        "specversion": "1.0",
        "id": str(EVENT),
        "type": "task.updated",
        "subject": "t-1",
        "time": "2026-11-22T10:00:00.000Z",
        "workspaceid": str(WORKSPACE),
        "data": {"title": "é", "dueDate": None, "n": 1.5},
        "actor": "user:1",
        **changed,
    }
    return {name: value for name, value in named.items() if value is not ...}


def parsed(**changed):
    return PublicEvent.parse(orjson.dumps(document(**changed)))


def test_the_body_holds_the_event_its_data_and_the_ids_and_nothing_internal():
    assert orjson.loads(parsed().body(DELIVERY)) == {
        "event": "task.updated",
        "data": {"title": "é", "dueDate": None, "n": 1.5},
        "timestamp": "2026-11-22T10:00:00.000Z",
        "id": str(EVENT),
        "workspaceId": str(WORKSPACE),
        "deliveryId": str(DELIVERY),
    }


def test_the_body_has_the_same_bytes_each_time_it_is_made():
    raw = orjson.dumps(document(changes={"title": {"from": "a", "to": "b"}}))
    assert PublicEvent.parse(raw).body(DELIVERY) == PublicEvent.parse(bytes(raw)).body(DELIVERY)


def test_changes_stand_beside_the_data():
    body = orjson.loads(parsed(changes={"title": {"from": "a", "to": "b"}}).body(DELIVERY))
    assert list(body)[:3] == ["event", "data", "changes"]
    assert body["changes"] == {"title": {"from": "a", "to": "b"}}


def test_types_and_fields_that_nobody_knows_here_are_forwarded():
    body = orjson.loads(parsed(type="spaceship.landed", data={"new": [1]}).body(DELIVERY))
    assert body["event"] == "spaceship.landed"
    assert body["data"] == {"new": [1]}


@pytest.mark.parametrize("time", ["yesterday", None, 5, "2026-11-22T10:00:00", ...])
def test_an_event_without_a_readable_time_is_an_event_all_the_same(time):
    event = parsed(time=time)
    assert event.time is None
    assert event.id == EVENT


def test_an_event_knows_when_it_happened():
    assert parsed().time.isoformat() == "2026-11-22T10:00:00+00:00"


def test_a_subject_may_be_absent():
    assert parsed(subject=...).resource_id == ""


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ...},
        {"id": 5},
        {"id": "x"},
        {"workspaceid": None},
        {"workspaceid": "x"},
        {"type": ...},
        {"type": 5},
        {"type": ""},
        {"type": ["task.created"]},
        {"type": "task\r\nX-Injected: yes"},
        {"type": "task\x00created"},
        {"type": "t" * 1001},
        {"subject": 5},
        {"subject": "a\x00b"},
    ],
)
def test_what_could_not_be_stored_or_signed_is_not_an_event(changed):
    with pytest.raises(NotAnEvent):
        parsed(**changed)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"text"', b"\xff", b'{"id":1}', b"[" * 5000])
def test_what_is_not_a_json_object_is_not_an_event(raw):
    with pytest.raises(NotAnEvent):
        PublicEvent.parse(raw)


def test_ids_may_be_written_in_any_form_that_a_uuid_has():
    assert parsed(id=EVENT.hex.upper()).id == UUID(EVENT.hex)
