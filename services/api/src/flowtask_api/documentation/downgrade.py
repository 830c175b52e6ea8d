"""The description in OpenAPI 3.0.3, for tools that know no later one (https://spec.openapis.org/oas/v3.0.3.html).

3.0 has a dialect of its own for schemas: no null type, no constants, one example, booleans for exclusive limits, and nothing
beside a `$ref`.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

_NESTED = ("additionalProperties", "items", "not")
_LISTS = ("allOf", "anyOf", "oneOf")
_UNKNOWN = (
    "$schema",
    "$id",
    "$comment",
    "contentEncoding",
    "contentMediaType",
    "propertyNames",
    "unevaluatedProperties",
)


def to_openapi_3_0(document: dict[str, Any]) -> dict[str, Any]:
    """A 3.1 description of ours as a 3.0.3 one; the given one stays as it is."""
    made = {key: _walked(value) for key, value in document.items() if key not in {"jsonSchemaDialect", "webhooks"}}
    schemas = made["components"].get("schemas", {})
    made["components"]["schemas"] = {name: _schema(schema) for name, schema in schemas.items()}
    return {**made, "openapi": "3.0.3"}


def _walked(value: Any) -> Any:
    """A part of the document with the schemas in it converted; what stands in examples is data and stays."""
    if isinstance(value, list):
        return [_walked(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _schema(member) if key == "schema" else member if key in {"example", "examples"} else _walked(member)
        for key, member in value.items()
    }


def _schema(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    made = {key: value for key, value in schema.items() if key not in _UNKNOWN}
    for key in _NESTED:
        if key in made:
            made[key] = _schema(made[key])
    for key in _LISTS:
        if key in made:
            made[key] = [_schema(each) for each in made[key]]
    if "properties" in made:
        made["properties"] = {name: _schema(field) for name, field in made["properties"].items()}
    for step in _STEPS:
        step(made)
    return made


def _types(made: Schema) -> None:
    types = made.get("type")
    if types == "null":
        del made["type"]
        made |= {"nullable": True, "enum": [None]}
    elif isinstance(types, list):
        left = [each for each in types if each != "null"]
        del made["type"]
        made |= {"type": left[0]} if len(left) == 1 else {"anyOf": [{"type": each} for each in left]}
        made |= {"nullable": True} if len(left) < len(types) else {}


def _nullable_choice(made: Schema) -> None:
    """`anyOf` something or null becomes that something, nullable."""
    for key in ("anyOf", "oneOf"):
        options = made.get(key, [])
        left = [each for each in options if each.get("enum") != [None]]
        if len(left) == len(options):
            continue
        made["nullable"] = True
        del made[key]
        if len(left) > 1:
            made[key] = left
        elif "$ref" in left[0]:
            made["allOf"] = left
        else:
            for name, value in left[0].items():
                made.setdefault(name, value)


def _constants(made: Schema) -> None:
    if "const" in made:
        made["enum"] = [made.pop("const")]
    if "examples" in made:
        made["example"] = made.pop("examples")[0]


def _limits(made: Schema) -> None:
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in made and not isinstance(made[exclusive], bool):
            made[limit], made[exclusive] = made[exclusive], True


def _beside_references(made: Schema) -> None:
    if "$ref" in made and len(made) > 1:
        made["allOf"] = [{"$ref": made.pop("$ref")}, *made.get("allOf", [])]


_STEPS: tuple[Callable[[Schema], None], ...] = (_types, _nullable_choice, _constants, _limits, _beside_references)
