"""The catalogue of public events: what it shows is what is enforced."""

import json
from copy import deepcopy
from uuid import uuid4

import jsonschema
import pytest

from flowtask_contracts.event_types import event_types
from flowtask_contracts.events import PUBLIC, CloudEvent
from flowtask_contracts.events.samples import SAMPLES
from flowtask_contracts.events.schemas import BrokenEvent, check

EVENTS = {event.type: event for event in PUBLIC}
JUNK = (5, 5.5, True, [], {}, None, "", "5", "true", "TODO", "2026-11-22", "2026-11-22T10:00:00Z", str(uuid4()))


def accepts(schema, body):
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    return validator.is_valid(body)


def passes(event, document):
    try:
        check(event, json.dumps(document).encode())
    except BrokenEvent:
        return False
    return True


def places(node, path=()):
    """Every place below a node, the node itself left out."""
    for name, value in node.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from places(value, (*path, name))


def put(document, path, value):
    changed = deepcopy(document)
    node = changed
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return changed


def body_of(document):
    kept = {name: document[name] for name in ("data", "changes") if name in document}
    rest = {"timestamp": document["time"], "id": document["id"], "workspaceId": document["workspaceid"]}
    return {"event": document["type"], **kept, **rest, "deliveryId": str(uuid4())}


@pytest.fixture
def document_of():
    return lambda name: json.loads(SAMPLES[name].to_json(uuid4(), "flowtask/api"))


def test_every_public_type_is_described_once():
    assert set(event_types()) == set(SAMPLES) == set(EVENTS)
    for name, kind in event_types().items():
        assert (kind.type, kind.version) == (name, 1)
        assert kind.description.endswith(".")
        for schema in (kind.json_schema, kind.thin_schema):
            jsonschema.Draft202012Validator.check_schema(schema)
            assert schema["properties"]["event"]["const"] == name


@pytest.mark.parametrize("name", EVENTS)
def test_a_sample_is_a_real_event_that_fits_the_schema_shown_with_it(name, document_of):
    kind, document = event_types()[name], document_of(name)

    check(EVENTS[name], json.dumps(document).encode())
    assert CloudEvent.model_validate(document).type == name
    assert accepts(kind.json_schema, kind.sample)
    assert kind.sample["data"] == document["data"]
    assert kind.sample.get("changes") == document.get("changes")
    assert not any(accepts(other.json_schema, kind.sample) for other in event_types().values() if other is not kind)
    thin = {**kind.sample, "data": {"id": kind.sample["data"]["id"]}, "payload": "thin"}
    thin.pop("changes", None)
    assert accepts(kind.thin_schema, thin)
    assert not accepts(kind.json_schema, thin)
    assert accepts(kind.json_schema, {**kind.sample, "test": True})


@pytest.mark.parametrize("name", EVENTS)
def test_what_is_enforced_and_what_is_shown_agree_on_every_field(name, document_of):
    document, schema = document_of(name), event_types()[name].json_schema
    watched = [path for path in places(document) if path[0] in {"data", "changes"}]
    assert len(watched) > 5
    for path in watched:
        for junk in JUNK:
            changed = put(document, path, junk)
            if path == ("data", "id"):
                changed["subject"] = junk if isinstance(junk, str) else changed["subject"]
            assert passes(EVENTS[name], changed) == accepts(schema, body_of(changed)), (path, junk)


@pytest.mark.parametrize("name", EVENTS)
def test_nothing_may_be_missing_and_nothing_may_be_added(name, document_of):
    event, document = EVENTS[name], document_of(name)
    assert passes(event, document)
    for path in places(document):
        if path[0] in {"specversion", "datacontenttype"} or (path[0] == "changes" and len(path) == 2):
            continue  # constants, and fields that did not change
        changed = deepcopy(document)
        node = changed
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]
        assert not passes(event, changed), path
    assert not passes(event, put(document, ("data", "ownerEmail"), "ada@example.com"))
    assert not passes(event, put(document, ("colour",), "red"))
    assert passes(event, {**document, "changes": {"name": {}}}) is False
    assert passes(event, {**document, "changes": {}}) is False
    assert not passes(event, put(document, ("subject",), str(uuid4())))


def test_changes_name_fields_of_data_with_values_that_they_can_have(document_of):
    document = document_of("task.updated")
    for changes, fine in (
        ({"title": {"from": "a", "to": "b"}}, True),
        ({"title": {"from": "a", "to": None}}, False),
        ({"dueDate": {"from": None, "to": "soon"}}, False),
        ({"dueDate": {"from": None, "to": "2026-12-01T17:00:00.000Z"}}, True),
        ({"owner": {"from": "a", "to": "b"}}, False),
        ({"title": {"to": "b"}}, False),
        ({"title": None}, False),
    ):
        assert passes(EVENTS["task.updated"], {**document, "changes": changes}) is fine, changes
