"""How a filter is described. What is accepted is for `webhook_filters.check` to say, which names the place of a mistake."""

from typing import Annotated, Any, TypeAlias

from pydantic import ConfigDict, Field, PlainValidator
from typing_extensions import TypeAliasType

from flowtask_contracts.base import Instant
from flowtask_contracts.webhook_filters import LARGEST, LONGEST_PATH, LONGEST_TEXT, MOST_CLAUSES, MOST_VALUES, PATH

from ..http.schemas import Body

_Text = Annotated[str, Field(max_length=LONGEST_TEXT, pattern=r"^[^\u0000]*$")]
_Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
_Value: TypeAlias = _Text | _Number | bool | None
_Bound: TypeAlias = _Number | Instant
_Members = Annotated[tuple["WebhookFilter", ...], Field(min_length=1, max_length=MOST_CLAUSES)]


class FilterClause(Body):
    """What must hold of the value at a path: all operators that are named. Of a missing value nothing holds but `exists: false`."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 2})

    path: str = Field(
        pattern=PATH, max_length=LONGEST_PATH, description="`data` or `changes`, and names.", examples=["data.priority"]
    )
    eq: _Value = Field(default=None, description="This very value; nothing is converted.", examples=["HIGH"])
    among: tuple[_Value, ...] = Field(
        default_factory=tuple,
        alias="in",
        min_length=1,
        max_length=MOST_VALUES,
        description="One of these.",
        examples=[["HIGH"]],
    )
    exists: bool = Field(default_factory=bool, description="Whether there is a value; null is one.", examples=[True])
    gt: _Bound = Field(default_factory=int, description="A number, or a time with an offset; so are the other three.")
    gte: _Bound = Field(default_factory=int)
    lt: _Bound = Field(default_factory=int)
    lte: _Bound = Field(default_factory=int, examples=["2026-12-01T00:00:00Z"])


class FilterOfAll(Body):
    """All of these hold."""

    all: _Members


class FilterOfAny(Body):
    """One of these holds, or more."""

    any: _Members


class FilterNegated(Body):
    """This does not hold."""

    negated: "WebhookFilter" = Field(alias="not")


WebhookFilter = TypeAliasType("WebhookFilter", FilterClause | FilterOfAll | FilterOfAny | FilterNegated)


EXAMPLE = {
    "all": [
        {"path": "data.priority", "in": ["HIGH", "URGENT"]},
        {"path": "data.dueDate", "lt": "2026-12-01T00:00:00Z"},
        {"not": {"path": "changes.status", "exists": True}},
    ]
}


def _object(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    msg = "must be an object"
    raise ValueError(msg)


GivenFilter = Annotated[
    dict[str, Any],
    PlainValidator(_object, json_schema_input_type=WebhookFilter),
    Field(
        description=(
            "Only events of which this holds are sent. Up to 5 filters within one another, 50 clauses, and 8 KiB of JSON; "
            "a mistake is told by its place, as `filter.all[1].gte`."
        ),
        examples=[EXAMPLE],
    ),
]
