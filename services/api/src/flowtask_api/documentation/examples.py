"""Example bodies, put together from what the fields themselves give as examples.

A field's example is the first of its `Field(examples=[...])`, else what its type alone says: a constant, the first of an
enum, an id made from what it is the id of, one and the same moment. A field that is not required has to have an example to be
shown. Text and numbers say nothing by themselves, so those without an example are named in `missing`.
"""

import hashlib
import re
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

MOMENT = "2026-11-22T10:00:00.000Z"
_PERSON = {"owner", "assignee", "createdBy", "me", "member", "user"}
_SAME = {"endpoint": "webhook", "apiKey": "key", "ownWorkspace": "workspace"}
_UNTOLD = object()


def id_of(kind: str) -> str:
    """The id that examples give to things of a kind, the same wherever they are met."""
    name = "user" if kind in _PERSON else _SAME.get(kind, kind)
    return f"01a20400-0000-7000-8000-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


class Examples:
    """Makes examples of the schemas of one document."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self._schemas = schemas
        self.missing: set[str] = set()

    def of(self, schema: Schema, name: str = "", owner: str = "") -> Any:
        """An example of a schema; `name` is the property that it is of, `owner` the schema which has that property."""
        if "examples" in schema:
            return schema["examples"][0]
        if "$ref" in schema:
            target = schema["$ref"].rpartition("/")[2]
            if schema.get("default") is not None:
                return schema["default"]
            return self.of(self._schemas[target], name, target)
        if "anyOf" in schema:
            told = next(each for each in schema["anyOf"] if each.get("type") != "null")
            return None if name == "meta" else self.of(told, name, owner)  # an operation knows what meta it has
        said = _said(schema)
        if said is not _UNTOLD:
            return said
        return self._by_type(schema, name, owner)

    def described(self, schema: Schema) -> str:
        """The description of a schema, or else of the one that it refers to."""
        referred = self._schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
        return str(schema.get("description") or referred.get("description", ""))

    def required(self, schema: Schema) -> list[str]:
        """The members that an object of this schema must have."""
        return list(self._schemas.get(schema.get("$ref", "").rpartition("/")[2], schema).get("required", ()))

    def _by_type(self, schema: Schema, name: str, owner: str) -> Any:
        made: Any = None
        match schema.get("type"), schema.get("format"):
            case "object", _:
                made = self._object(schema, owner)
            case "array", _:
                made = [self.of(schema["items"], name, owner)]
            case "string", "uuid":
                made = id_of(_kind(name, owner))
            case "string", "date-time":
                made = MOMENT
            case "boolean", _:
                made = False
            case "null", _:
                pass
            case _:
                self.missing.add(f"{owner}.{name}")
        return made

    def _object(self, schema: Schema, owner: str) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self.of(field, name, owner)
            for name, field in schema.get("properties", {}).items()
            if name in required or "examples" in field
        }


def _said(schema: Schema) -> Any:
    if "const" in schema:
        return schema["const"]
    if schema.get("default") is not None:
        return schema["default"]
    return schema["enum"][0] if "enum" in schema else _UNTOLD


def _kind(name: str, owner: str) -> str:
    """What an id is the id of: `taskId` says it, `id` leaves it to the schema that has it."""
    if name == "id":
        plain = re.sub(r"^Created(?=.)|(Detail|Ref)$", "", owner)
        return plain[:1].lower() + plain[1:]
    return name.removesuffix("Id")
