"""Pydantic's findings as the field details of the shared error tree."""

from collections.abc import Iterable, Mapping
from typing import Any

from flowtask_contracts.errors import ErrorDetail

MAX_DETAILS = 50
"""More findings than these tell nobody anything and would make an answer as large as its request."""


def details_of(problems: Iterable[Mapping[str, Any]]) -> list[ErrorDetail]:
    """What is wrong, field by field; the values themselves are not repeated."""
    return [
        ErrorDetail(field=_plain(".".join(str(part) for part in problem["loc"])), message=_plain(_message(problem)))
        for problem in list(problems)[:MAX_DETAILS]
    ]


def _message(problem: Mapping[str, Any]) -> str:
    return (
        "This field is required" if problem["type"] == "missing" else str(problem["msg"]).removeprefix("Value error, ")
    )


def _plain(text: str) -> str:
    """A stranger's text made fit for UTF-8 and short."""
    return text.encode("utf-8", "replace").decode()[:200]
