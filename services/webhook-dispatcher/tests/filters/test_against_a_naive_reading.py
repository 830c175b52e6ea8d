"""A filter carried out word by word as docs/webhooks.md has it, slowly and without the dispatcher's code, beside the compiled one."""

import calendar
import re
from contextlib import suppress
from fractions import Fraction

import orjson
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flowtask_contracts.errors import ValidationFailed
from flowtask_contracts.webhook_filters import LARGEST, check
from flowtask_webhook_dispatcher.filters.compiling import compiled

TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII)


def wanted(form, event):
    if "all" in form:
        return min(wanted(each, event) for each in form["all"])
    if "any" in form:
        return max(wanted(each, event) for each in form["any"])
    if "not" in form:
        return wanted(form["not"], event) is False
    found = at(event, form["path"].split("."))
    return all(holds(name, operand, found) for name, operand in form.items() if name != "path")


def at(value, names):
    """The value in a list; an empty list where the path leads nowhere."""
    if not names:
        return [value]
    if not isinstance(value, dict) or names[0] not in value:
        return []
    return at(value[names[0]], names[1:])


def holds(name, operand, found):
    if name == "exists":
        return bool(found) == operand
    if not found:
        return False
    [value] = found
    if name == "eq":
        return same(value, operand)
    if name == "in":
        return any(same(value, each) for each in operand)
    left, right = comparable(value), comparable(operand)
    if left is None or right is None or left[0] != right[0]:
        return False
    order = (left[1] > right[1]) - (left[1] < right[1])
    return order in {"gt": {1}, "gte": {0, 1}, "lt": {-1}, "lte": {0, -1}}[name]


def kind(value):
    for name, types in (("nothing", type(None)), ("flag", bool), ("number", (int, float)), ("text", str)):
        if isinstance(value, types):
            return name
    return None


def same(left, right):
    return kind(left) is not None and kind(left) == kind(right) and left == right


def comparable(value):
    if kind(value) == "number":
        return "number", Fraction(value)
    found = TIME.fullmatch(value) if kind(value) == "text" else None
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    away_hour, away_minute = int(found[10] or 0), int(found[11] or 0)
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return None
    if hour > 23 or minute > 59 or second > 59 or away_hour > 23 or away_minute > 59:
        return None
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400
    days += sum(calendar.monthrange(year, each)[1] for each in range(1, month)) + day
    away = (away_hour * 60 + away_minute) * (-1 if found[9] == "-" else 1)
    microseconds = int((found[7] or "").ljust(6, "0")[:6])
    return "time", ((days * 24 + hour) * 60 + minute - away) * 60_000_000 + second * 1_000_000 + microseconds


NAMES = st.sampled_from(["a", "b", "status"])
TIMES = st.one_of(
    st.sampled_from(
        [
            "2026-11-22T10:00:00Z",
            "2026-11-22t10:00:00.000z",
            "2026-11-22T11:00:00.0000009+01:00",
            "2024-02-29T23:59:59-00:00",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59.999999-23:59",
        ]
    ),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat(timespec="milliseconds")),
)
NUMBERS = st.one_of(
    st.integers(-2, 2),
    st.integers(-LARGEST, LARGEST),
    st.floats(-LARGEST, LARGEST),
    st.sampled_from([-0.0, 0.5, 1.0, float(LARGEST)]),
)
BOUNDS = NUMBERS | TIMES.filter(lambda text: comparable(text) is not None)
NO_TIMES = st.sampled_from(["2026-11-22", "2026-11-22T10:00:60Z", "2026-02-29T10:00:00Z", "2026-11-22T10:00:00+24:00"])
SCALARS = st.none() | st.booleans() | NUMBERS | TIMES | NO_TIMES | st.sampled_from(["", "DONE", "done", "1", "true"])


@st.composite
def clauses(draw):
    names = draw(st.lists(NAMES, min_size=1, max_size=3))
    operands = st.fixed_dictionaries(
        {},
        optional={
            "eq": SCALARS,
            "in": st.lists(SCALARS, min_size=1, max_size=4),
            "exists": st.booleans(),
            **dict.fromkeys(("gt", "gte", "lt", "lte"), BOUNDS),
        },
    ).filter(bool)
    return {"path": ".".join([draw(st.sampled_from(["data", "changes"])), *names]), **draw(operands)}


FILTERS = st.recursive(
    clauses(),
    lambda inner: st.one_of(
        st.builds(lambda each: {"all": each}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda each: {"any": each}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda each: {"not": each}, inner),
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    SCALARS | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries({}, optional={"data": VALUES, "changes": VALUES})


def _paths(form):
    if "path" in form:
        return [form]
    return [path for key in form for each in (form[key] if key != "not" else [form[key]]) for path in _paths(each)]


def _with(event, path, value):
    """The event with a value at a path, whatever was in the way."""
    names = path.split(".")
    place = event = dict(event)
    for name in names[:-1]:
        inner = place.get(name)
        place[name] = place = dict(inner) if isinstance(inner, dict) else {}
    place[names[-1]] = value
    return event


@st.composite
def cases(draw):
    """A filter, and an event that often has something at the filter's paths, often the very value that is asked for."""
    form, event = draw(FILTERS), draw(EVENTS)
    for clause in _paths(form):
        asked = [value for name, value in clause.items() if name not in {"path", "in", "exists"}] + clause.get("in", [])
        choice = draw(st.integers(0, 3))
        if choice:
            value = draw(st.sampled_from(asked) if choice == 1 and asked else VALUES)
            event = _with(event, clause["path"], value)
    return form, event


def _is_accepted(form):
    """Few are not, for they are deeper than may be: no endpoint has them."""
    with suppress(ValidationFailed):
        check(form)
        return True
    return False


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_the_compiled_filter_and_the_naive_one_say_the_same_of_every_event(case):
    form, event = case
    assume(_is_accepted(form))
    read = orjson.loads(orjson.dumps(event))
    kept = orjson.loads(orjson.dumps(form))  # as it comes back from the database
    assert compiled(kept)(read) is wanted(form, read)
