"""From the form of a filter to a function of an event: made once for each revision of an endpoint, called for each event.

What there is to say of a value: a path leads through objects only; where it leads nowhere the value is missing, and null is a
value. Of a missing value nothing holds but `exists: false`. Nothing is converted: text equals text, a number a number of the
same value, and what is of another kind than a bound does not compare, so that no comparison holds.
"""

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flowtask_contracts.webhook_filters import moment_of

Document = Mapping[str, Any]
"""A CloudEvent as JSON has it; a filter looks at `data` and `changes`."""

Filter = Callable[[Document], bool]
"""Whether an event is wanted; it raises on no event."""

_Test = Callable[[Any], bool]

_MISSING = object()
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def compiled(form: Mapping[str, Any]) -> Filter:
    """The function of a filter that `webhook_filters.check` accepts."""
    if "path" in form:
        return _clause(form)
    if "not" in form:
        return _negated(compiled(form["not"]))
    if "all" in form:
        return _all(tuple(map(compiled, form["all"])))
    return _any(tuple(map(compiled, form["any"])))


def _negated(inner: Filter) -> Filter:
    return lambda document: not inner(document)


def _all(inner: tuple[Filter, ...]) -> Filter:
    return lambda document: all(each(document) for each in inner)


def _any(inner: tuple[Filter, ...]) -> Filter:
    return lambda document: any(each(document) for each in inner)


def _clause(form: Mapping[str, Any]) -> Filter:
    names = tuple(form["path"].split("."))
    operands = {name: value for name, value in form.items() if name != "path"}
    where_missing = operands == {"exists": False}
    tests = tuple(_test(name, value) for name, value in operands.items())

    def holds(document: Document) -> bool:
        value: Any = document
        for name in names:
            value = value.get(name, _MISSING) if type(value) is dict else _MISSING
            if value is _MISSING:
                return where_missing
        return all(test(value) for test in tests)

    return holds


def _test(name: str, wanted: Any) -> _Test:
    """What has to hold of a value that is there."""
    match name:
        case "exists":
            return lambda _value: wanted
        case "eq":
            return _among((wanted,))
        case "in":
            return _among(tuple(wanted))
        case _ if isinstance(wanted, str):
            return _time(_COMPARE[name], moment_of(wanted))
        case _:
            return _number(_COMPARE[name], wanted)


def _among(wanted: tuple[Any, ...]) -> _Test:
    texts = frozenset(each for each in wanted if type(each) is str)
    numbers = frozenset(each for each in wanted if type(each) in {int, float})
    others = tuple(each for each in wanted if each is None or type(each) is bool)

    def test(value: Any) -> bool:
        kind = type(value)
        if kind is str:
            return value in texts
        if kind is int or kind is float:
            return value in numbers
        return any(value is each for each in others)

    return test


def _number(compare: Callable[[Any, Any], bool], bound: float) -> _Test:
    return lambda value: type(value) in {int, float} and compare(value, bound)


def _time(compare: Callable[[Any, Any], bool], bound: datetime | None) -> _Test:
    def test(value: Any) -> bool:
        moment = moment_of(value) if type(value) is str else None
        return moment is not None and compare(moment, bound)

    return test
