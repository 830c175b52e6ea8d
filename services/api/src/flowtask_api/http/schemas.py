"""What callers send, as all features read it."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from flowtask_contracts.base import Input, Instant, Text

MAX_DESCRIPTION = 20_000


class Body(Input):
    """A request's body or query: its documented camelCase names and no others."""

    model_config = ConfigDict(populate_by_name=False)


def _not_blank(value: str) -> str:
    if not value.strip():
        msg = "must not be blank"
        raise ValueError(msg)
    return value


def _to_milliseconds(value: datetime) -> datetime:
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def only_numbers(value: Any) -> Any:
    """A JSON number as it is; ValueError for words and booleans that look like one."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    msg = "must be a whole number"
    raise ValueError(msg)


def _only_true_booleans(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    msg = "must be true or false"
    raise ValueError(msg)


Name = Annotated[
    Text,
    Field(min_length=1, max_length=200, json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}),
    AfterValidator(_not_blank),
]
"""A title or name: 1 to 200 characters, not all of them blanks; kept as it was sent."""

Description = Annotated[Text, Field(max_length=MAX_DESCRIPTION)]
"""A longer text of up to 20,000 characters."""

Moment = Annotated[Instant, AfterValidator(_to_milliseconds)]
"""A moment as it is stored: with the milliseconds that answers show, so that what is read can be sent back."""

Flag = Annotated[bool, BeforeValidator(_only_true_booleans)]
"""A JSON boolean; words and numbers that look like one are refused."""

DAY = 24 * 60 * 60

Overlap = Annotated[int, Field(ge=0, le=7 * DAY, examples=[3600]), BeforeValidator(only_numbers)]
"""For how long, in seconds, what is rotated goes on beside what takes its place; seven days at most."""
