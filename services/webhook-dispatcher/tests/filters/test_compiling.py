"""What a compiled filter says, clause by clause."""

import pytest

from flowtask_contracts.webhook_filters import check
from flowtask_webhook_dispatcher.filters.compiling import compiled

EVENT = {
    "data": {
        "status": "DONE",
        "title": None,
        "amount": 10,
        "share": 0.5,
        "flag": True,
        "dueDate": "2026-11-22T10:00:00.000Z",
        "tags": ["a", "b"],
        "project": {"id": "p1", "name": ""},
    },
    "changes": {"status": {"from": "TODO", "to": "DONE"}},
}


def says(form):
    check(form)
    return compiled(form)(EVENT)


@pytest.mark.parametrize(
    ("path", "operands", "expected"),
    [
        ("data.status", {"eq": "DONE"}, True),
        ("data.status", {"eq": "done"}, False),
        ("data.status", {"in": ["TODO", "DONE"]}, True),
        ("data.status", {"in": ["TODO", None]}, False),
        ("data.project.id", {"eq": "p1"}, True),
        ("data.project", {"exists": True}, True),
        ("data.project", {"eq": "p1"}, False),
        ("data.tags", {"exists": True}, True),
        ("data.tags", {"in": ["a", "b"]}, False),
        ("data.tags.0", {"exists": True}, False),
        ("data.status.length", {"exists": False}, True),
        ("changes.status.from", {"eq": "TODO"}, True),
        ("changes.title.from", {"exists": False}, True),
        ("changes.title.from", {"exists": True}, False),
        # null is a value, what is missing is none
        ("data.title", {"exists": True}, True),
        ("data.title", {"eq": None}, True),
        ("data.title", {"in": ["x", None]}, True),
        ("data.title", {"gt": 0}, False),
        ("data.nothing", {"eq": None}, False),
        ("data.nothing", {"in": [None]}, False),
        ("data.nothing", {"lte": 5}, False),
        ("data.nothing", {"exists": False, "eq": None}, False),
        # nothing is converted
        ("data.amount", {"eq": 10.0}, True),
        ("data.amount", {"eq": "10"}, False),
        ("data.flag", {"eq": True}, True),
        ("data.flag", {"eq": 1}, False),
        ("data.flag", {"in": [1, False]}, False),
        ("data.flag", {"gte": 0}, False),
        # comparisons
        ("data.amount", {"gte": 10, "lte": 10}, True),
        ("data.amount", {"gt": 10}, False),
        ("data.amount", {"gt": 9.99, "lt": 10.01}, True),
        ("data.share", {"lt": 1}, True),
        ("data.status", {"lt": 1}, False),
        ("data.amount", {"lt": "2026-11-22T10:00:00Z"}, False),
        ("data.status", {"lt": "2026-11-22T10:00:00Z"}, False),
        ("data.dueDate", {"lt": "2026-11-22T10:00:00.001Z"}, True),
        ("data.dueDate", {"gte": "2026-11-22T12:00:00+02:00", "lte": "2026-11-22T05:00:00-05:00"}, True),
        ("data.dueDate", {"gt": "2026-11-22T10:00:00Z"}, False),
        ("data.dueDate", {"gt": 5}, False),
    ],
)
def test_what_a_clause_says(path, operands, expected):
    assert says({"path": path, **operands}) is expected


def test_groups_nest():
    done, urgent = {"path": "data.status", "eq": "DONE"}, {"path": "data.priority", "eq": "URGENT"}
    assert says({"all": [done, {"not": urgent}]})
    assert not says({"all": [done, urgent]})
    assert says({"any": [urgent, {"all": [done]}]})
    assert not says({"not": {"any": [urgent, done]}})
    assert says({"not": {"path": "data.nothing", "gt": 5}})


@pytest.mark.parametrize(
    "event", [{}, {"data": None}, {"data": [1]}, {"data": "x", "changes": 5}, {"changes": {"x": {}}}]
)
def test_an_event_of_any_shape_is_judged(event):
    assert compiled({"path": "data.x.y", "exists": False})(event)
    assert not compiled({"path": "data.x.y", "eq": 1})(event)
