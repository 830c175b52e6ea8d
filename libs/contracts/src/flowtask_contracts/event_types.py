"""The catalogue of public events: what each type means, the JSON Schema of its webhooks, and one of them."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import Field, JsonValue

from flowtask_contracts.base import Contract
from flowtask_contracts.events import PUBLIC, Event
from flowtask_contracts.events.samples import SAMPLES
from flowtask_contracts.events.schemas import thin_schema, webhook_schema

SOURCE = "flowtask"
_EVENT, _DELIVERY = (UUID(f"01a20400-0000-7000-8000-00000000000{digit}") for digit in (5, 6))
_SHOWN: dict[str, JsonValue] = {"type": "object", "required": ["event", "data", "timestamp", "id"]}


class EventType(Contract):
    """A kind of event: `schema` is of the bodies with all of it, `thinSchema` of those with ids only."""

    type: str = Field(examples=["task.completed"])
    description: str = Field(examples=["A task was moved to DONE."])
    version: int = Field(
        description="Of the schema: another number would mean that more than new fields has changed.", examples=[1]
    )
    json_schema: dict[str, JsonValue] = Field(
        alias="schema",
        description="JSON Schema (2020-12) of the webhook's body. What breaks it is never sent; fields may be added to it.",
        examples=[_SHOWN],
    )
    thin_schema: dict[str, JsonValue] = Field(
        description="The same for `payload: thin`, and for what would be larger than 256 KiB.", examples=[_SHOWN]
    )
    sample: dict[str, JsonValue] = Field(
        description="The body of such a webhook.", examples=[{"event": "task.completed", "data": {"status": "DONE"}}]
    )


@cache
def event_types() -> Mapping[str, EventType]:
    """Every public type there is, by its name."""
    return {event.type: _described(event) for event in PUBLIC}


def sample_document(kind: str, event_id: UUID) -> dict[str, Any]:
    """The sample of a type as it would travel on the bus; KeyError for a type that is none."""
    document: dict[str, Any] = json.loads(SAMPLES[kind].to_json(event_id, SOURCE))
    return document


def _described(event: type[Event]) -> EventType:
    return EventType(
        type=event.type,
        description=" ".join((event.__doc__ or "").split()),
        version=event.dataversion,
        json_schema=webhook_schema(event),
        thin_schema=thin_schema(event),
        sample=_body(sample_document(event.type, _EVENT)),
    )


def _body(document: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The webhook of an event with all of it, member by member as the dispatcher writes it."""
    changes = {"changes": document["changes"]} if "changes" in document else {}
    return {
        "event": document["type"],
        "data": document["data"],
        **changes,
        "timestamp": document["time"],
        "id": document["id"],
        "workspaceId": document["workspaceid"],
        "deliveryId": str(_DELIVERY),
    }
