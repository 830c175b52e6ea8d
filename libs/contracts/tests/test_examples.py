"""What was once sent must parse for ever: a file in `examples` is added with a message and never changed."""

import json
from pathlib import Path

import pytest

from flowtask_contracts.commands import COMMANDS, Reply
from flowtask_contracts.events import INTERNAL, PUBLIC, CloudEvent
from flowtask_contracts.events.schemas import data_of

EXAMPLES = Path(__file__).parent / "examples"
EVENTS = {event.type: event for event in (*PUBLIC, *INTERNAL)}
COMMANDS_BY_NAME = {f"{command.service}.{command.verb}": command for command in COMMANDS}


def example(name):
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def holds(written, sent):
    """Whether what is written now has all that was once sent, at every depth; it may have grown."""
    if isinstance(sent, dict):
        return isinstance(written, dict) and all(name in written and holds(written[name], sent[name]) for name in sent)
    if isinstance(sent, list):
        return len(written) == len(sent) and all(map(holds, written, sent))
    return written == sent


def test_every_message_has_an_example_and_every_example_a_message():
    wanted = {f"event.{name}" for name in EVENTS} | {f"command.{name}" for name in COMMANDS_BY_NAME}
    assert {path.stem for path in EXAMPLES.glob("*.json")} == wanted


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_that_was_once_published_still_parses_and_is_written_the_same(name):
    sent = example(f"event.{name}")
    event = CloudEvent.model_validate_json(json.dumps(sent))

    assert event.type == name
    assert json.loads(event.to_json()) == sent
    data = data_of(EVENTS[name]).model_validate(event.data)
    assert data.model_dump(mode="json", by_alias=True) == sent["data"]


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_made_anew_equals_the_one_once_published(name):
    sent = CloudEvent.model_validate(example(f"event.{name}"))
    event = EVENTS[name](
        workspace_id=sent.workspaceid,
        subject=sent.subject,
        time=sent.time,
        actor=sent.actor,
        version=sent.aggregateversion,
        data=sent.data,
        changes=sent.changes,
    )

    assert event.cloud_event(sent.id, sent.source) == sent
    assert json.loads(event.to_json(sent.id, sent.source)) == json.loads(sent.to_json())


@pytest.mark.parametrize("name", COMMANDS_BY_NAME)
def test_a_command_and_its_reply_that_were_once_sent_still_parse_and_are_written_the_same(name):
    sent = example(f"command.{name}")
    command = COMMANDS_BY_NAME[name]

    request = command.model_validate_json(json.dumps(sent["request"]))
    assert json.loads(request.model_dump_json(by_alias=True, exclude_unset=True)) == sent["request"]
    assert command.changes == ("commandId" in sent["request"])

    reply = Reply.model_validate_json(json.dumps(sent["reply"]))
    assert json.loads(reply.model_dump_json(by_alias=True)) == sent["reply"]
    answer = command.answer.model_validate(reply.data)
    assert holds(answer.model_dump(mode="json", by_alias=True), sent["reply"]["data"])


@pytest.mark.parametrize("name", EVENTS)
def test_fields_that_we_do_not_know_yet_are_ignored_at_every_depth(name):
    sent = example(f"event.{name}")
    grown = {**sent, "sequence": "7", "data": {**sent["data"], "colour": "red", "labels": [{"a": 1}]}}

    event = CloudEvent.model_validate_json(json.dumps(grown))

    data = data_of(EVENTS[name]).model_validate(event.data)
    assert data == data_of(EVENTS[name]).model_validate(sent["data"])


@pytest.mark.parametrize("name", COMMANDS_BY_NAME)
def test_a_command_of_a_newer_service_is_understood_by_an_older_one(name):
    sent = example(f"command.{name}")["request"]
    command = COMMANDS_BY_NAME[name]

    assert command.model_validate({**sent, "dryRun": False}) == command.model_validate(sent)
