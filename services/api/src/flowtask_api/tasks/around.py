"""Lists while a project is being deleted: around its tasks, for stepping over a million of them takes a second.

The tasks of each project that is there, and those of none, stand by time of creation in an index. A list in that order takes
the first few of each and puts them in order; a total counts in those that are there. Other lists step over.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Select,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy import union_all as all_of

from flowtask_kit.database.prepared import Prepared

from ..projects.models import Project
from .listing import COLUMNS, FILTERS, LIMIT, MOST, OFFSET, beyond, bound, counted, matching, order, visible
from .models import Task
from .questions import Question
from .schemas import BY_CREATION, TaskSort

FARTHEST = 200
"""The last row of a page that is read around; for deeper ones too much of every project would be read."""

IN_INDEX = frozenset({"status", "urgency"})
"""The filters that the index by project knows."""
_DEPTH, _OF_NONE = bindparam("depth", type_=Integer()), bindparam("of_none", type_=Integer())


def goes_around(question: Question, rows: int) -> bool:
    """Whether a page that ends after so many rows is read around."""
    return question.sort in BY_CREATION and question.shape <= IN_INDEX and rows <= FARTHEST


def depths(question: Question, rows: int) -> list[Mapping[str, int]]:
    """How many tasks of each project, and of none, to look at for so many rows.

    First as if many projects had some of them, then as if one had all. More where some do not pass the filter.
    """
    reach = rows if not question.shape else 3 * rows + 60
    return [{"depth": reach // 8 + 6, "of_none": reach}, {"depth": reach, "of_none": reach}]


def page(question: Question, *, begun: bool) -> Prepared:
    """The rows of a page of which it is certain that they are, looking at `depth` tasks of each project, `of_none` of none.

    Where they are fewer than `limit`, there are no more only if they say `complete`.
    """
    return _page(question.shape, question.sort, begun=begun)


def total(question: Question) -> Prepared:
    """How many rows there are, counted no further than one past the cap."""
    return _total(question.shape)


def _shown() -> Select[Any]:
    return select(Project.id).where(
        Project.workspace_id == bound("workspace_id", Task.workspace_id), Project.deleted_at.is_(None)
    )


def _first(of: ColumnElement[bool], depth: Any, sort: TaskSort, *places: Any, begun: bool) -> Select[Any]:
    """The first tasks of a project, whatever the filter, and whether there may be others behind each."""
    last = func.row_number().over(order_by=places) == depth
    first = matching(frozenset(), Task.id, Task.created_at, Task.status, Task.urgency, last.label("last")).where(of)
    return (first.where(beyond(sort)) if begun else first).order_by(*places).limit(depth)


def _seen(sort: TaskSort, *, begun: bool) -> CTE:
    """The first tasks of every project that is there, and of none."""
    shown = _shown().subquery("shown")
    theirs = _first(Task.project_id == shown.c.id, _DEPTH, sort, *order(sort), begun=begun).lateral("theirs")
    # of no project: named in the order, so that the index by project is the one that has it
    none = Task.project_id if sort is TaskSort.NEWEST else Task.project_id.desc()
    free = _first(Task.project_id.is_(None), _OF_NONE, sort, none, *order(sort), begun=begun).subquery("free")
    return all_of(select(theirs).select_from(shown.join(theirs, true())), select(free)).cte("seen")


@lru_cache(maxsize=64)
def _page(shape: frozenset[str], sort: TaskSort, *, begun: bool) -> Prepared:
    """Behind the `edge` some project may have others than those that were seen, so nothing there is certain."""
    newest = sort is TaskSort.NEWEST
    seen = _seen(sort, begun=begun)
    places = select(seen.c.id, seen.c.created_at).order_by(*order(sort, seen.c))
    edge = places.where(seen.c.last).limit(literal_column("1")).cte("edge")
    passing = [seen.c[name] == FILTERS[name].right for name in sorted(shape)]
    best = places.where(*passing).limit(LIMIT + OFFSET).subquery("best")
    here, there = tuple_(best.c.created_at, best.c.id), tuple_(edge.c.created_at, edge.c.id)
    certain = select(best.c.id).where(~exists().where(here < there if newest else here > there))
    chosen = certain.order_by(*order(sort, best.c)).limit(LIMIT).offset(OFFSET).subquery("chosen")
    return Prepared(
        select(*COLUMNS, (~exists(select(edge.c.id))).label("complete"))
        .join(chosen, chosen.c.id == Task.id)
        .outerjoin(Project, Project.id == Task.project_id)
        .order_by(*order(sort)),
        anew=True,
    )


@lru_cache(maxsize=128)
def _total(shape: frozenset[str]) -> Prepared:
    """Project by project where every task counts; with a filter the server may know a shorter way to what passes."""
    one: Any = literal_column("1")
    shown = _shown().subquery("shown")
    if not shape <= IN_INDEX:
        return counted(visible(shape, one))
    if shape:
        theirs = matching(shape, one).join_from(Task, shown, shown.c.id == Task.project_id)
    else:
        own = matching(shape, one).where(Task.project_id == shown.c.id).limit(MOST).lateral("own")
        theirs = select(one).select_from(shown.join(own, true()))
    free = matching(shape, one).where(Task.project_id.is_(None))
    return counted(all_of(theirs, free))
