"""Filters on what events say: their JSON form and its limits. How one is carried out is the dispatcher's.

filter := {"all": [filter, ...]} | {"any": [filter, ...]} | {"not": filter} | clause
clause := {"path": "data.<name>..." or "changes.<name>...", <operator>: <value>, ...}

eq                 a string, a number, true, false or null
in                 a list of such
exists             true or false
gt, gte, lt, lte   a number, or a time as RFC 3339 writes it, with an offset
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flowtask_contracts.errors import ErrorDetail, ValidationFailed, below

DEEPEST = 5
"""Filters within one another, the clause counted."""
MOST_CLAUSES = 50
MOST_VALUES = 100
"""In one `in`."""
MOST_BYTES = 8_192
"""Of the whole filter, as JSON without blanks in UTF-8."""
LONGEST_TEXT = 500
LONGEST_PATH = 200
PATH = r"^(data|changes)(\.[^.\u0000-\u001f\u007f]+){1,9}$"
LARGEST = 2**53 - 1
"""What every reader of JSON knows exactly; no number may be farther from 0."""

COMPARISONS = ("gt", "gte", "lt", "lte")
OPERATORS = ("eq", "in", "exists", *COMPARISONS)
GROUPS = ("all", "any", "not")

_PATH = re.compile(PATH.removesuffix("$") + r"\Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MOST_DETAILS = 20


def check(form: object, place: str = "filter") -> None:
    """Accept a filter; else ValidationFailed, whose details name each place that is wrong, as `filter.all[1].gte`."""
    check_ = _Check()
    check_.node(form, place, 1)
    if not check_.found and check_.clauses > MOST_CLAUSES:
        check_.refuse(place, f"has {check_.clauses} clauses, and at most {MOST_CLAUSES} are allowed")
    if (
        not check_.found
        and (size := len(json.dumps(form, ensure_ascii=False, separators=(",", ":")).encode())) > MOST_BYTES
    ):
        check_.refuse(place, f"takes {size} bytes as JSON, and at most {MOST_BYTES} are allowed")
    if check_.found:
        raise ValidationFailed(details=check_.found[:_MOST_DETAILS])


def moment_of(text: str) -> datetime | None:
    """The moment of an RFC 3339 date-time with an offset, to the microsecond; None for any other text."""
    if _TIME.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:  # a day or an hour that does not exist, a leap second
        return None


def is_number(value: object) -> bool:
    """Whether it is a number of JSON; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Check:
    """Gathers what is wrong. It goes no deeper than filters may be, whatever it is given."""

    def __init__(self) -> None:
        self.found: list[ErrorDetail] = []
        self.clauses = 0

    def refuse(self, place: str, message: str) -> None:
        self.found.append(ErrorDetail(field=place, message=message))

    def node(self, form: object, place: str, depth: int) -> None:
        if len(self.found) >= _MOST_DETAILS:
            return
        if not isinstance(form, Mapping):
            self.refuse(place, "must be an object: all, any or not, or a path with operators")
        elif depth > DEEPEST:
            self.refuse(place, f"lies deeper than {DEEPEST} filters within one another")
        elif "path" in form:
            self.clauses += 1
            self._clause(form, place)
        else:
            self._group(form, place, depth)

    def _group(self, form: Mapping[str, Any], place: str, depth: int) -> None:
        kinds = [name for name in GROUPS if name in form]
        for name in form:
            if name not in GROUPS:
                self.refuse(below(place, name), f"is not known here; {_listed(GROUPS)}, or path with operators, are")
        if len(kinds) != 1:
            if kinds or not form:
                self.refuse(place, "must have one of all, any, not and path")
            return
        kind = kinds[0]
        if kind == "not":
            self.node(form["not"], f"{place}.not", depth + 1)
            return
        members = form[kind]
        if not isinstance(members, Sequence) or isinstance(members, str) or not members:
            self.refuse(f"{place}.{kind}", "must be a list of at least one filter")
        elif len(members) > MOST_CLAUSES:
            self.refuse(f"{place}.{kind}", f"has {len(members)} filters, and at most {MOST_CLAUSES} are allowed")
        else:
            for number, member in enumerate(members):
                self.node(member, f"{place}.{kind}[{number}]", depth + 1)

    def _clause(self, form: Mapping[str, Any], place: str) -> None:
        if (message := _wrong_path(form["path"])) is not None:
            self.refuse(f"{place}.path", message)
        if len(form) == 1:
            self.refuse(place, f"needs an operator beside path: {_listed(OPERATORS)}")
        for name, value in form.items():
            if name in OPERATORS:
                self._operand(name, value, f"{place}.{name}")
            elif name != "path":
                self.refuse(below(place, name), f"is no operator; {_listed(OPERATORS)} are")

    def _operand(self, operator: str, value: object, place: str) -> None:
        if operator == "in":
            self._values(value, place)
            return
        if operator == "exists":
            message = None if isinstance(value, bool) else "must be true or false"
        elif operator == "eq":
            message = _wrong_value(value)
        else:
            message = _wrong_bound(value)
        if message is not None:
            self.refuse(place, message)

    def _values(self, value: object, place: str) -> None:
        if not isinstance(value, Sequence) or isinstance(value, str) or not 1 <= len(value) <= MOST_VALUES:
            self.refuse(place, f"must be a list of 1 to {MOST_VALUES} values")
            return
        for number, each in enumerate(value):
            if (message := _wrong_value(each)) is not None:
                self.refuse(f"{place}[{number}]", message)


def _wrong_path(path: object) -> str | None:
    if not isinstance(path, str):
        return "must be a string"
    if _PATH.match(path) is None:
        return "must be data or changes and up to 9 names below it, as data.project.id"
    if len(path) > LONGEST_PATH:
        return f"must be at most {LONGEST_PATH} characters long"
    return _wrong_text(path)


def _wrong_value(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _wrong_text(value)
    return _wrong_number(value) if is_number(value) else "must be a string, a number, true, false or null"


def _wrong_bound(value: object) -> str | None:
    if is_number(value):
        return _wrong_number(value)
    if isinstance(value, str) and moment_of(value) is not None:
        return None
    return "must be a number, or a time with an offset as 2026-11-22T10:00:00Z"


def _wrong_number(value: Any) -> str | None:
    fine = math.isfinite(value) if isinstance(value, float) else True
    return None if fine and -LARGEST <= value <= LARGEST else f"must lie between -{LARGEST} and {LARGEST}"


def _wrong_text(value: str) -> str | None:
    if len(value) > LONGEST_TEXT:
        return f"must be at most {LONGEST_TEXT} characters long"
    if "\x00" in value:
        return "must not contain NUL characters"
    return "must not contain lone surrogates" if any("\ud800" <= each <= "\udfff" for each in value) else None


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
