"""What an event has to look like: one set of models judges events when they are made, and describes their webhooks.

pydantic judges what an event is built of, but takes an instance as it is, whatever it holds, and knows nothing of which fields
can change. So the bytes that are about to be published are read once more, as the models below have it.
"""

from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError, create_model

from flowtask_contracts.base import Contract, Instant
from flowtask_contracts.events.envelope import CloudEvent, Event

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TIME = Field(description="When it happened.")
_DELIVERY = Field(description="The event at this endpoint: the same in every attempt.")


class BrokenEvent(ValueError):
    """The event is not what its schema promises; the message names the places, and nothing of what they hold."""


class Thing(Contract):
    """What an event is of."""

    id: UUID


def data_of(event: type[Event]) -> type[BaseModel]:
    """The model of an event's `data`."""
    annotation = event.model_fields["data"].annotation
    assert isinstance(annotation, type)
    assert issubclass(annotation, BaseModel)
    return annotation


def check(event: type[Event], document: bytes) -> None:
    """Accept an event as it is about to be published; BrokenEvent where it breaks the schema of its type.

    Every field has to be there, of its type and none converted, and there is no other. `changes` names fields of `data`, with
    values that they can have; it is there where the type tells changes, and says something. A public event is of what is in
    its `data`.
    """
    try:
        read = travelling(event).model_validate_json(document, extra="forbid")
    except ValidationError as error:
        places = [
            ".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False, include_url=False)
        ]
        raise BrokenEvent(f"{event.type}: {', '.join(places)[:500]}") from None
    if event.tells_changes and not getattr(read.changes, "model_fields_set", None):
        raise BrokenEvent(f"{event.type}: changes")
    if event.public and getattr(read.data, "id", None) != read.subject:
        raise BrokenEvent(f"{event.type}: subject")


@cache
def travelling(event: type[Event]) -> type[CloudEvent]:
    """The model of an event of this type on the bus."""
    fields: dict[str, Any] = {
        "type": (Literal[event.type], ...),
        "subject": (UUID, ...),
        "actor": (Annotated[str, Field(min_length=1)], ...),
        "aggregateversion": (Annotated[int, Field(ge=1, strict=True)], ...),
        "dataversion": (Literal[event.dataversion], ...),
        "data": (data_of(event), ...),
        "changes": (changes_of(event), ...) if event.tells_changes else (None, None),
    }
    return create_model(f"Travelling{event.__name__}", __base__=CloudEvent, **fields)


@cache
def changes_of(event: type[Event]) -> type[Contract]:
    """The model of `changes`: of each field of `data` that has changed, both values."""
    data = data_of(event)
    fields: dict[str, Any] = {}
    for name, field in data.model_fields.items():
        value = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        pair: dict[str, Any] = {"from_": (value, Field(alias="from")), "to": (value, ...)}
        change = create_model(f"ChangeOf{name.title().replace('_', '')}", __base__=Contract, **pair)
        fields[name] = (change, Field(default_factory=dict))
    words = "The fields that differ, with both values."
    return create_model(f"ChangesOf{data.__name__}", __base__=Contract, __doc__=words, **fields)


@cache
def webhook_schema(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of the body of a webhook with all of an event (`payload: full`)."""
    fields: dict[str, Any] = {"event": (Literal[event.type], ...), "data": (data_of(event), ...)}
    if event.tells_changes:
        fields["changes"] = (Annotated[changes_of(event), Field(json_schema_extra={"minProperties": 1})], ...)
    return _schema(event, fields)


@cache
def thin_schema(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of the body of a webhook with ids only: by the endpoint's choice, or because all would be too large."""
    fields: dict[str, Any] = {
        "event": (Literal[event.type], ...),
        "data": (Thing, ...),
        "payload": (Literal["thin", "too_large"], ...),
    }
    return _schema(event, fields)


def _schema(event: type[Event], fields: dict[str, Any]) -> dict[str, Any]:
    common: dict[str, Any] = {
        "timestamp": (Instant, _TIME),
        "id": (UUID, Field(description="The event's id, as in the header `webhook-id`.")),
        "workspace_id": (UUID, ...),
        "delivery_id": (UUID, _DELIVERY),
        "test": (Literal[True], Field(default_factory=lambda: True, description="Only in test webhooks.")),
    }
    model = create_model(event.type, __base__=Contract, __doc__=event.__doc__, **fields, **common)
    return {"$schema": DIALECT, **model.model_json_schema(mode="serialization")}
