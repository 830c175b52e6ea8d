"""The root of every contract model, and the text types that our storage can hold."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Contract(BaseModel):
    """A frozen message or resource: camelCase on the wire, unknown fields ignored so that contracts can grow."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_enum_values=False,
        ser_json_bytes="base64",
        hide_input_in_errors=True,  # a message that cannot be read may hold a secret, and its error ends in a log
    )


class Input(Contract):
    """What a stranger sends: like a contract, but a field we do not know is refused, so that a typo is never lost."""

    model_config = ConfigDict(extra="forbid")


def _storable(value: str) -> str:
    """Refuse what PostgreSQL text cannot hold; `json.loads` lets lone surrogates through, and so does pydantic then."""
    if "\x00" in value:
        msg = "must not contain NUL characters"
        raise ValueError(msg)
    try:
        value.encode()
    except UnicodeEncodeError:
        msg = "must not contain lone surrogates"
        raise ValueError(msg) from None
    return value


def _only_strings(value: Any) -> Any:
    """Times travel as RFC 3339 strings; numbers, also in strings, which pydantic would read as epochs, are refused."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    msg = "must be an RFC 3339 date-time string"
    raise ValueError(msg)


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        msg = "is out of range"
        raise ValueError(msg) from None


def rfc3339(value: datetime) -> str:
    """A UTC time with milliseconds, as every FlowTask document writes it: `2026-11-22T10:00:00.000Z`."""
    moment = value if value.tzinfo is UTC else value.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


Text = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
"""Text that can be stored and sent as UTF-8: no NUL, no lone surrogate."""

Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_only_strings),
    AfterValidator(_to_utc),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment: read from an RFC 3339 string with an offset, held and written in UTC with milliseconds."""
