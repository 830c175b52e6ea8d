import sys
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtask_contracts.errors import ValidationFailed
from flowtask_contracts.webhook_filters import LARGEST, MOST_BYTES, check, moment_of

CLAUSE = {"path": "data.status", "eq": "DONE"}


def refused(form):
    with pytest.raises(ValidationFailed) as refusal:
        check(form)
    return {detail.field: detail.message for detail in refusal.value.details}


def nested(depth):
    form = CLAUSE
    for _ in range(depth - 1):
        form = {"not": form}
    return form


@pytest.mark.parametrize(
    "form",
    [
        CLAUSE,
        {"path": "changes.status.to", "in": ["DONE", 1, 1.5, True, None]},
        {"path": "data.dueDate", "exists": False},
        {"path": "data.amount", "gte": 10, "lt": 20.5},
        {"path": "data.dueDate", "gt": "2026-11-22T10:00:00+02:00", "lte": "2026-11-23t10:00:00.123456789z"},
        {"path": "data.naïve.名前", "eq": ""},
        {"all": [CLAUSE, {"any": [CLAUSE, {"not": CLAUSE}]}]},
        nested(5),
        {"any": [CLAUSE] * 50},
        {"path": "data." + "x" * 195, "eq": -LARGEST},
        {"path": "data.a", "in": list(range(100))},
    ],
)
def test_what_a_filter_may_be(form):
    check(form)


@pytest.mark.parametrize(
    ("form", "place", "message"),
    [
        (None, "filter", "must be an object"),
        ([CLAUSE], "filter", "must be an object"),
        ({}, "filter", "must have one of all, any, not and path"),
        ({"all": [CLAUSE], "any": [CLAUSE]}, "filter", "must have one of all, any, not and path"),
        ({"all": []}, "filter.all", "at least one"),
        ({"any": CLAUSE}, "filter.any", "must be a list"),
        ({"any": "path"}, "filter.any", "must be a list"),
        ({"not": [CLAUSE]}, "filter.not", "must be an object"),
        ({"all": [CLAUSE, "x"]}, "filter.all[1]", "must be an object"),
        ({"all": [CLAUSE, {"path": "data.x", "gte": "soon"}]}, "filter.all[1].gte", "must be a number, or a time"),
        ({"not": {"any": [{"path": "data.x", "equals": 1}]}}, "filter.not.any[0].equals", "is no operator"),
        ({"all": [CLAUSE], "eq": 1}, "filter.eq", "is not known here"),
        ({"eq": 1}, "filter.eq", "is not known here"),
        ({"path": "data.x", "all": [CLAUSE]}, "filter.all", "is no operator"),
        ({"path": "data.x"}, "filter", "needs an operator"),
        ({"path": 5, "eq": 1}, "filter.path", "must be a string"),
        ({"path": "data", "eq": 1}, "filter.path", "must be data or changes"),
        ({"path": "type.x", "eq": 1}, "filter.path", "must be data or changes"),
        ({"path": "data..x", "eq": 1}, "filter.path", "must be data or changes"),
        ({"path": "data.x.", "eq": 1}, "filter.path", "must be data or changes"),
        ({"path": "data.\x00", "eq": 1}, "filter.path", "must be data or changes"),
        ({"path": "data.x\n", "eq": 1}, "filter.path", "must be data or changes"),
        ({"path": "data.\ud800", "eq": 1}, "filter.path", "surrogates"),
        ({"path": "data." + "x" * 196, "eq": 1}, "filter.path", "at most 200 characters"),
        ({"path": "data" + ".x" * 10, "eq": 1}, "filter.path", "up to 9 names"),
        ({"path": "data.x", "eq": "x" * 501}, "filter.eq", "at most 500 characters"),
        ({"path": "data.x", "eq": [1]}, "filter.eq", "must be a string, a number"),
        ({"path": "data.x", "eq": float("nan")}, "filter.eq", "must lie between"),
        ({"path": "data.x", "eq": float("inf")}, "filter.eq", "must lie between"),
        ({"path": "data.x", "eq": LARGEST + 1}, "filter.eq", "must lie between"),
        ({"path": "data.x", "eq": 10**400}, "filter.eq", "must lie between"),
        ({"path": "data.x", "eq": "a\x00"}, "filter.eq", "NUL"),
        ({"path": "data.x", "eq": "\udfff"}, "filter.eq", "surrogates"),
        ({"path": "data.x", "in": "abc"}, "filter.in", "must be a list"),
        ({"path": "data.x", "in": []}, "filter.in", "must be a list"),
        ({"path": "data.x", "in": [1] * 101}, "filter.in", "1 to 100"),
        ({"path": "data.x", "in": [1, {}]}, "filter.in[1]", "must be a string, a number"),
        ({"path": "data.x", "exists": 1}, "filter.exists", "true or false"),
        ({"path": "data.x", "exists": None}, "filter.exists", "true or false"),
        ({"path": "data.x", "lt": True}, "filter.lt", "must be a number, or a time"),
        ({"path": "data.x", "lt": None}, "filter.lt", "must be a number, or a time"),
        ({"path": "data.x", "lt": "2026-11-22"}, "filter.lt", "must be a number, or a time"),
        ({"path": "data.x", "lt": "2026-11-22T10:00:00"}, "filter.lt", "must be a number, or a time"),
        ({"path": "data.x", "lt": "2026-02-30T10:00:00Z"}, "filter.lt", "must be a number, or a time"),
        (nested(6), "filter" + ".not" * 5, "lies deeper than 5"),
        ({"any": [CLAUSE] * 51}, "filter.any", "has 51 filters"),
        ({"any": [{"all": [CLAUSE] * 26}] * 2}, "filter", "has 52 clauses"),
        ({"path": "data.x", "in": ["é" * 100] * 41}, "filter", f"at most {MOST_BYTES}"),
    ],
)
def test_a_bad_filter_is_refused_at_its_place(form, place, message):
    found = refused(form)
    assert list(found) == [place]
    assert message in found[place]


def test_all_places_are_told_up_to_twenty():
    found = refused({"all": [{"path": "x", "gt": "y"}, CLAUSE, {"any": [{}]}]})
    assert list(found) == ["filter.all[0].path", "filter.all[0].gt", "filter.all[2].any[0]"]
    assert len(refused({"all": [{"path": f"x{number}", "eq": 1} for number in range(50)]})) == 20


def test_what_a_stranger_calls_an_operator_is_shown_in_part_and_printable():
    [place] = refused({"path": "data.x", "eq": 1, "a\nb\ud800" + "c" * 999: 1})
    assert place == "filter.a\ufffdb\ufffd" + "c" * 56


def test_no_depth_of_nesting_is_too_much_to_be_refused():
    form = CLAUSE
    for _ in range(sys.getrecursionlimit() * 3):
        form = {"not": form}
    assert list(refused(form)) == ["filter" + ".not" * 5]
    while (
        form is not CLAUSE
    ):  # taken apart by hand: to drop it at once would be a deep recursion of the interpreter's own
        form = form["not"]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["all", "any", "not", "path", "eq", "in", "exists", "gt", "lte"]) | st.text(),
            inner,
            max_size=3,
        )
    ),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_whatever_comes_is_accepted_or_refused_with_places_that_can_be_sent(form):
    with suppress(ValidationFailed):
        check(form)
        return
    for place, message in refused(form).items():
        assert place.startswith("filter")
        assert f"{place} {message}".encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-11-22 10:00:00Z",
        "2026-11-22T10:00:60Z",
        "0000-01-01T00:00:00Z",
        "2026-11-22T10:00:00+24:00",
        "2026-11-22T10:00:00Z\n",
        "٢٠٢٦-11-22T10:00:00Z",
        "2026-11-22T10:00:00.Z",
        "2026-11-22T10:00:00+02",
    ],
)
def test_what_is_no_time(text):
    assert moment_of(text) is None


def test_times_are_read_to_the_microsecond_whatever_their_offset():
    assert moment_of("2026-11-22T10:00:00.1234569z") == moment_of("2026-11-22T12:00:00.123456+02:00")
    assert moment_of("2026-11-22T10:00:00." + "1" * 5000 + "Z") == moment_of("2026-11-22T10:00:00.111111Z")
    early, late = moment_of("0001-01-01T00:00:00+23:59"), moment_of("9999-12-31T23:59:59-23:59")
    assert early is not None
    assert late is not None
    assert early < late
