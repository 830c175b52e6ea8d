"""`python -m flowtask_contracts.document` prints docs/messages.md: every event and command, made from the models."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import BaseModel

from flowtask_contracts.commands import COMMANDS, Command
from flowtask_contracts.events import INTERNAL, PUBLIC, Event
from flowtask_contracts.events.schemas import data_of
from flowtask_contracts.topology import FLOWTASK

Schema: TypeAlias = Mapping[str, Any]

_INTRO = """\
# Messages

Made from `libs/contracts` by `python -m flowtask_contracts.document`; a test keeps it current.

**Events** say what has happened. They travel as CloudEvents 1.0 JSON with the event's id in `Nats-Msg-Id`; `data` is the REST
representation after the change (before it, for a deletion), and `changes` holds `{field: {from, to}}` where something
changed. Consumers ignore fields and types they do not know.

**Commands** ask another service over NATS request/reply. The reply is `{"data": ..., "error": null}`, or
`{"data": null, "error": {"code", "message", "details", "retryAfter"}}` for a refusal. One that
changes something carries a `commandId`, and a repeat of the id gets the first reply again.
"""
_FORMATS = {"uuid": "UUID", "date-time": "time"}
_SAMPLES: Mapping[str, Any] = {
    "uuid": "019338f4-8c00-7000-8000-000000000001",
    "date-time": "2026-11-22T10:00:00.000Z",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "object": {},
    "null": None,
}


def document() -> str:
    """The whole of docs/messages.md."""
    return "\n".join(
        [
            _INTRO,
            f"An event on the bus:\n\n```json\n{json.dumps(_travelling(PUBLIC[0]), indent=2)}\n```\n",
            *_events("Public events", PUBLIC),
            *_events("Internal events", INTERNAL),
            *_commands(),
        ]
    )


def _events(title: str, events: Iterable[type[Event]]) -> Iterator[str]:
    """The events of one stream, those with the same data together with one example of it."""
    groups: dict[type[BaseModel], list[type[Event]]] = {}
    for event in events:
        groups.setdefault(data_of(event), []).append(event)
    yield f"## {title}\n"
    for data, members in groups.items():
        yield f"### {data.__name__}\n"
        yield "| event | subject | version | meaning |\n|---|---|---|---|"
        for event in members:
            yield f"| `{event.type}` | `{event.bus_subject()}` | {event.dataversion} | {_sentence(event)} |"
        schema = data.model_json_schema()
        yield f"\n`data`: {_sentence(data)}\n"
        yield from _fields(schema)
        yield f"\n```json\n{json.dumps(_sample(schema, schema))}\n```\n"


def _commands() -> Iterator[str]:
    answers: dict[str, Schema] = {}
    for service in FLOWTASK.services:
        commands = [command for command in COMMANDS if command.service == service.name]
        if commands:
            yield f"## Commands of {service.name}\n"
        for command in commands:
            yield from _command(command)
            answer = command.answer.model_json_schema()
            parts = {name: part for name, part in answer.get("$defs", {}).items() if part.get("properties")}
            answers |= {name: {**part, "$defs": answer["$defs"]} for name, part in parts.items()}
            answers[command.answer.__name__] = answer
    yield "## What commands answer\n"
    for name, schema in answers.items():
        yield f"### {name}\n\n{_first_line(schema)}\n"
        yield from _fields(schema)
        yield ""


def _command(command: type[Command]) -> Iterator[str]:
    schema = command.model_json_schema()
    traits = [f"deadline {command.deadline:g} s", *(["changes, so it happens once"] if command.changes else [])]
    if command.concealed:
        traits.append(f"shown once: {', '.join(f'`{name}`' for name in sorted(command.concealed))}")
    yield f"### {command.verb}\n"
    yield f"{_sentence(command)} `{command.bus_subject()}` -> `{command.answer.__name__}` ({'; '.join(traits)}).\n"
    yield from _fields(schema, without=() if command.changes else ("commandId",))
    yield ""


def _fields(schema: Schema, *, without: Iterable[str] = ()) -> Iterator[str]:
    shown = {name: part for name, part in schema.get("properties", {}).items() if name not in without}
    if shown:
        yield "| field | type |\n|---|---|"
    for name, part in shown.items():
        optional = "" if name in schema.get("required", ()) else ", optional"
        yield f"| `{name}` | {_type(part, schema)}{optional} |"


def _type(part: Schema, root: Schema) -> str:
    """A field's type in words, limits included."""
    if "$ref" in part:
        target = _resolved(part, root)
        return _type(target, root) if "enum" in target else _name(part)
    if "anyOf" in part:
        return " or ".join(_type(option, root) for option in part["anyOf"])
    if "enum" in part:
        return " \\| ".join(f"`{value}`" for value in part["enum"])
    kind = _FORMATS.get(part.get("format", "")) or str(part.get("type", "anything"))
    if kind == "array":
        kind = f"list of {_type(part['items'], root)}"
    for low, high, unit in _LIMITS:
        if high in part:
            return f"{kind} ({part.get(low, 0)} to {part[high]}{unit})"
    return kind


_LIMITS = (("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items"), ("minimum", "maximum", ""))


def _sample(part: Schema, root: Schema) -> Any:
    """A value that fits a schema."""
    while "$ref" in part or "anyOf" in part:
        part = _resolved(part, root) if "$ref" in part else part["anyOf"][0]
    for choices in ("examples", "enum"):
        if choices in part:
            return part[choices][0]
    if part.get("type") == "array":
        return [_sample(part["items"], root)]
    if "properties" in part:
        return {name: _sample(value, root) for name, value in part["properties"].items()}
    return _SAMPLES.get(part.get("format", part.get("type", "null")), part.get("title", "text").lower())


def _travelling(event: type[Event]) -> Any:
    """An example of the event as it stands on the bus."""
    schema = data_of(event).model_json_schema()
    identity = UUID(_SAMPLES["uuid"])
    made = event.model_validate(
        {
            "workspaceId": identity,
            "subject": identity,
            "time": _SAMPLES["date-time"],
            "actor": f"user:{identity}",
            "version": 1,
            "data": _sample(schema, schema),
        }
    )
    source = next(service.name for service in FLOWTASK.services if publishes(service.publishes, event))
    return json.loads(made.cloud_event(identity, f"flowtask/{source}").to_json())


def publishes(subjects: Iterable[str], event: type[Event]) -> bool:
    """Whether subjects such as `events.task.>` cover an event."""
    return any(event.bus_subject().startswith(subject.removesuffix(">")) for subject in subjects)


def _resolved(part: Schema, root: Schema) -> Schema:
    found: Schema = root["$defs"][_name(part)]
    return found


def _name(part: Schema) -> str:
    return str(part["$ref"]).rpartition("/")[2]


def _sentence(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").partition("\n\n")[0].split())


def _first_line(schema: Schema) -> str:
    return " ".join(str(schema.get("description", "")).partition("\n\n")[0].split())


def main() -> None:
    """Print the document."""
    sys.stdout.write(document())


if __name__ == "__main__":
    main()
