"""The schemas that the framework makes, brought to what is true and legible."""

import re
from collections.abc import Iterator
from typing import Any

_LIST = re.compile(r"Envelope_tuple_(\w+?)_+$")
_ONE = re.compile(r"Envelope_(\w+?)_$")
_ENVELOPE = ["data", "meta", "error"]


def tidy_schemas(document: dict[str, Any]) -> None:
    """Name envelopes for what is in them, say which members are always there, and leave out titles made from names."""
    schemas: dict[str, Any] = document["components"]["schemas"]
    names = {name: _named(name) for name in schemas}
    renamed = {names[name]: schema for name, schema in sorted(schemas.items(), key=lambda item: names[item[0]])}
    for name, schema in renamed.items():
        schema["title"] = name
        if name.endswith(("Answer", "List", "ErrorEnvelope")) and "error" in schema.get("properties", {}):
            schema["required"] = _ENVELOPE
    if "ErrorBody" in renamed:
        renamed["ErrorBody"]["required"] = ["code", "message", "details"]
    document["components"]["schemas"] = renamed
    for node in nodes(document):
        if "$ref" in node:
            place, _, name = node["$ref"].rpartition("/")
            node["$ref"] = f"{place}/{names.get(name, name)}"
        for field in node.get("properties", {}).values() if isinstance(node.get("properties"), dict) else ():
            if isinstance(field, dict):
                field.pop("title", None)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document, the outer ones first."""
    if isinstance(value, dict):
        yield value
        for member in list(value.values()):
            yield from nodes(member)
    elif isinstance(value, list):
        for member in value:
            yield from nodes(member)


def _named(name: str) -> str:
    for pattern, ending in ((_LIST, "List"), (_ONE, "Answer")):
        found = pattern.match(name)
        if found:
            return found[1] + ending
    return name


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a query parameter or header: what is left out is null there, and nothing else can be."""
    options = schema.get("anyOf")
    if not isinstance(options, list):
        return schema
    left = [option for option in options if option.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key not in {"anyOf", "title"}}
    return {**left[0], **rest} if len(left) == 1 else {**rest, "anyOf": left}
