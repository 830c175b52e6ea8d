"""What an endpoint is sent, as its owner chooses it: which events, how much of them, and with which headers."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, SecretStr, WithJsonSchema

from flowtask_contracts.base import Text
from flowtask_contracts.errors import ErrorDetail, ValidationFailed, below

MASK = "********"
"""What is shown instead of a header's value; given as a value it stands for the one that is kept."""
MOST_HEADERS = 20
LONGEST_NAME = 100
LONGEST_VALUE = 2_048
MOST_BYTES = 4_096
"""Of all names and values together."""
LARGEST_BODY = 256 * 1024
"""Bytes of a webhook's body: of an event that takes more only ids are sent."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[!-~](?:[ !-~]*[!-~])?\Z")
_OURS = frozenset({"accept", "accept-encoding", "baggage", "date", "traceparent", "tracestate", "user-agent"})
_OF_THE_CONNECTION = frozenset(
    {"connection", "expect", "host", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
_OF_PROXIES = frozenset({"forwarded", "via", "x-real-ip"})
_FORBIDDEN = _OURS | _OF_THE_CONNECTION | _OF_PROXIES
_FORBIDDEN_BEGINNINGS = ("content-", "proxy-", "webhook-", "x-flowtask-", "x-forwarded-")


class DeliveryMode(StrEnum):
    """How events come to a webhook: `push` sends them to its URL, `poll` keeps them until they are fetched."""

    PUSH = "push"
    POLL = "poll"


class PayloadForm(StrEnum):
    """How much of an event is sent: `full` is all of it, `thin` only ids, type and time."""

    FULL = "full"
    THIN = "thin"


HeaderValue = Annotated[
    SecretStr,
    PlainSerializer(SecretStr.get_secret_value, return_type=str, when_used="json"),
    Field(max_length=LONGEST_VALUE),
]
Headers = Annotated[
    dict[str, HeaderValue],
    Field(
        max_length=MOST_HEADERS,
        description=(
            "Headers of your own for every request, `Authorization` among them; values are kept encrypted and never shown. "
            "A change takes the place of all of them; `********` as a value keeps the one there is."
        ),
        examples=[{"Authorization": "Bearer b3BlbiBzZXNhbWU"}],
    ),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "type": "string",
                "minLength": 1,
                "maxLength": LONGEST_VALUE,
                "pattern": "^[!-~]([ !-~]*[!-~])?$",
            },
            "propertyNames": {"maxLength": LONGEST_NAME, "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"},
            "maxProperties": MOST_HEADERS,
        }
    ),
]
Metadata = Annotated[
    dict[Annotated[Text, Field(min_length=1, max_length=40)], Annotated[Text, Field(max_length=500)]],
    Field(
        max_length=50,
        description="What you want to remember of it; not sent. A change takes the place of all of it.",
        examples=[{"team": "billing"}],
    ),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 500, "pattern": r"^[^\u0000]*$"},
            "propertyNames": {"minLength": 1, "maxLength": 40, "pattern": r"^[^\u0000]*$"},
            "maxProperties": 50,
        }
    ),
]
FilterForm = Annotated[
    dict[str, Any],
    Field(
        description="Only events of which this holds, by what is in their `data` and `changes`.",
        examples=[
            {"all": [{"path": "data.priority", "in": ["HIGH", "URGENT"]}, {"path": "changes.status", "exists": True}]}
        ],
    ),
]
"""A filter in its JSON form, which `webhook_filters.check` judges."""


def check_destination(url: str | None, delivery: DeliveryMode) -> None:
    """Accept a URL where events are sent, and none where they are fetched; else ValidationFailed."""
    if (url is None) is (delivery is DeliveryMode.POLL):
        return
    message = (
        "This field is required" if url is None else "must be left out: nothing is sent to a webhook that is polled"
    )
    raise ValidationFailed(details=[ErrorDetail(field="url", message=message)])


def check_headers(headers: Mapping[str, SecretStr]) -> None:
    """Accept headers of an owner's; else ValidationFailed, whose details name each that may not be sent."""
    found, seen = [], set()
    for name, value in headers.items():
        message = _wrong_name(name) or (
            "is there twice" if name.lower() in seen else _wrong_value(value.get_secret_value())
        )
        seen.add(name.lower())
        if message is not None:
            found.append(ErrorDetail(field=below("headers", name), message=message))
    size = sum(len(name) + len(value.get_secret_value()) for name, value in headers.items())
    if not found and size > MOST_BYTES:
        found.append(ErrorDetail(field="headers", message=f"take {size} bytes, and at most {MOST_BYTES} are allowed"))
    if found:
        raise ValidationFailed(details=found)


def _wrong_name(name: str) -> str | None:
    if len(name) > LONGEST_NAME or _TOKEN.match(name) is None:
        return f"is no name of a header of at most {LONGEST_NAME} characters"
    lower = name.lower()
    if lower in _FORBIDDEN or lower.startswith(_FORBIDDEN_BEGINNINGS):
        return "belongs to FlowTask, to the connection or to proxies, and cannot be chosen"
    return None


def _wrong_value(value: str) -> str | None:
    return None if _VALUE.match(value) else "must be visible ASCII characters, with blanks only between them"
