"""The statements that read tasks, each compiled once for every shape of a question and run on the driver."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import array

from flowtask_kit.database.prepared import Prepared

from ..http.paging import DEEPEST, Place
from ..projects.models import Project
from .models import RANKS, Task
from .schemas import ListTasks, TaskSort

_COLUMNS = (
    Task.id,
    Task.title,
    Task.description,
    Task.status,
    Task.priority,
    Task.due_date,
    Task.project_id,
    Task.assignee_id,
    Task.version,
    Task.created_at,
    Task.updated_at,
    Task.completed_at,
    Project.name.label("project_name"),
    Project.version.label("project_version"),
)


def _bound(name: str, like: Any) -> Any:
    return bindparam(name, type_=like.type)


_FILTERS: Mapping[str, ColumnElement[bool]] = {
    "status": Task.status == _bound("status", Task.status),
    "urgency": Task.urgency == _bound("urgency", Task.urgency),
    "project_id": Task.project_id == _bound("project_id", Task.project_id),
    "assignee_id": Task.assignee_id == _bound("assignee_id", Task.assignee_id),
    "due_before": Task.due_date < _bound("due_before", Task.due_date),
    "due_after": Task.due_date > _bound("due_after", Task.due_date),
    "searched": Task.searched.like(func.lower(bindparam("searched", type_=String()))),
}
_ORDERS: Mapping[TaskSort, tuple[Any, ...]] = {
    TaskSort.CREATED: (Task.created_at, Task.id),
    TaskSort.NEWEST: (Task.created_at.desc(), Task.id.desc()),
    TaskSort.DUE: (Task.due_date, Task.id),
    TaskSort.PRIORITY: (Task.urgency, Task.created_at, Task.id),
    TaskSort.MOST_URGENT: (Task.urgency.desc(), Task.created_at.desc(), Task.id.desc()),
}
_LIMIT, _OFFSET = bindparam("limit", type_=Integer()), bindparam("offset", type_=Integer())
_PLACE = (_bound("created_at", Task.created_at), _bound("after", Task.id))


@dataclass(frozen=True)
class Question:
    """Which tasks are asked for: `shape` chooses the statement, `values` are what it is run with."""

    shape: frozenset[str]
    sort: TaskSort
    values: Mapping[str, Any]

    @classmethod
    def of(cls, workspace_id: UUID, asked: ListTasks) -> Self:
        """The question of a list."""
        given = {
            "status": asked.status,
            "urgency": None if asked.priority is None else RANKS[asked.priority],
            "project_id": asked.project_id,
            "assignee_id": asked.assignee_id,
            "due_before": asked.due_before,
            "due_after": asked.due_after,
            "searched": None if asked.q is None else _containing(asked.q),
        }
        values = {name: value for name, value in given.items() if value is not None}
        return cls(frozenset(values), asked.sort, {"workspace_id": workspace_id, **values})

    @property
    def page(self) -> Prepared:
        """The rows of a page by number: `limit` of them after `offset`."""
        return _page(self.shape, self.sort)

    @property
    def total(self) -> Prepared:
        """How many rows there are, counted no further than one past the cap."""
        return _total(self.shape)

    def first(self) -> Prepared:
        """The first `limit` rows by time of creation."""
        return _continued(self.shape, self.sort, begun=False)

    def after(self) -> Prepared:
        """The `limit` rows after a place in the order of creation."""
        return _continued(self.shape, self.sort, begun=True)

    def place(self, cursor: str) -> Mapping[str, Any]:
        """The values of the place that a cursor stands for."""
        place = Place.decoded(cursor, descending=self.sort is TaskSort.NEWEST)
        return {"created_at": place.created_at, "after": place.id}


def _containing(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _hidden() -> Select[Any]:
    """The projects that wait for their deletion; hardly ever any, and found by an index of their own."""
    return select(Project.id).where(
        Project.workspace_id == _bound("workspace_id", Task.workspace_id), Project.deleted_at.is_not(None)
    )


def _matching(shape: frozenset[str], *columns: Any) -> Select[Any]:
    workspace = Task.workspace_id == _bound("workspace_id", Task.workspace_id)
    return select(*columns).where(workspace, *(_FILTERS[name] for name in sorted(shape)))


def _visible(shape: frozenset[str], *columns: Any) -> Select[Any]:
    hidden = func.array(_hidden().scalar_subquery(), type_=array([Task.project_id]).type)
    return _matching(shape, *columns).where(or_(Task.project_id.is_(None), Task.project_id != func.all(hidden)))


def _rows(shape: frozenset[str]) -> Select[Any]:
    return _visible(shape, *_COLUMNS).outerjoin(Project, Project.id == Task.project_id)


@lru_cache(maxsize=1024)
def _page(shape: frozenset[str], sort: TaskSort) -> Prepared:
    if sort is TaskSort.LATEST_DUE:
        return Prepared(_latest_due(shape), anew=True)
    return Prepared(_rows(shape).order_by(*_ORDERS[sort]).limit(_LIMIT).offset(_OFFSET), anew=True)


def _latest_due(shape: frozenset[str]) -> Select[Any]:
    """Dated tasks, the last first, then those without a date: two walks along one index, where one would need a sort.

    The second is made only when the first did not reach the end of the page; rows are read when it is known which.
    """
    order = (Task.due_date.desc(), Task.id.desc())
    walked = _visible(shape, Task.id, Task.due_date).order_by(*order)
    dated = walked.where(Task.due_date.is_not(None)).limit(_LIMIT + _OFFSET).cte("dated")
    missing = _LIMIT + _OFFSET - select(func.count()).select_from(dated).scalar_subquery()
    undated = walked.where(Task.due_date.is_(None)).limit(missing)
    both = union_all(select(dated), undated).subquery()
    page = select(both.c.id).order_by(both.c.due_date.desc().nulls_last(), both.c.id.desc())
    chosen = page.limit(_LIMIT).offset(_OFFSET).subquery()
    columns: tuple[Any, ...] = _COLUMNS
    return (
        select(*columns)
        .join(chosen, chosen.c.id == Task.id)
        .outerjoin(Project, Project.id == Task.project_id)
        .order_by(Task.due_date.desc().nulls_last(), Task.id.desc())
    )


@lru_cache(maxsize=1024)
def _continued(shape: frozenset[str], sort: TaskSort, *, begun: bool) -> Prepared:
    rows = _rows(shape).order_by(*_ORDERS[sort]).limit(_LIMIT)
    if begun:
        here, there = tuple_(Task.created_at, Task.id), tuple_(*_PLACE)
        rows = rows.where(here < there if sort is TaskSort.NEWEST else here > there)
    return Prepared(rows, anew=True)


@lru_cache(maxsize=1024)
def _total(shape: frozenset[str]) -> Prepared:
    """While nothing is hidden, which is nearly always, indexes know enough to count and no task is read."""
    most: Any = literal_column(str(DEEPEST + 1))
    one: Any = literal_column("1")
    all_of_them, those_seen = (
        select(func.count()).select_from(each.limit(most).subquery()).scalar_subquery()
        for each in (_matching(shape, one), _visible(shape, one))
    )
    return Prepared(select(case((exists(_hidden()), those_seen), else_=all_of_them).label("total")), anew=True)


ONE = Prepared(
    select(*_COLUMNS)
    .outerjoin(Project, Project.id == Task.project_id)
    .where(
        Task.workspace_id == _bound("workspace_id", Task.workspace_id),
        Task.id == _bound("id", Task.id),
        or_(Task.project_id.is_(None), Project.deleted_at.is_(None)),
    )
)
"""One task of a workspace."""
