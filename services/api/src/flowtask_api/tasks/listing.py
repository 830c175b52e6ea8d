"""The statements that read tasks, each compiled once for every shape of a question and run on the driver."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
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

COLUMNS: tuple[Any, ...] = (
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


def bound(name: str, like: Any) -> Any:
    """A parameter of the type of a column."""
    return bindparam(name, type_=like.type)


FILTERS: Mapping[str, ColumnElement[bool]] = {
    "status": Task.status == bound("status", Task.status),
    "urgency": Task.urgency == bound("urgency", Task.urgency),
    "project_id": Task.project_id == bound("project_id", Task.project_id),
    "assignee_id": Task.assignee_id == bound("assignee_id", Task.assignee_id),
    "due_before": Task.due_date < bound("due_before", Task.due_date),
    "due_after": Task.due_date > bound("due_after", Task.due_date),
    "searched": Task.searched.like(func.lower(bindparam("searched", type_=String()))),
}
ORDERS: Mapping[TaskSort, tuple[Any, ...]] = {
    TaskSort.CREATED: (Task.created_at, Task.id),
    TaskSort.NEWEST: (Task.created_at.desc(), Task.id.desc()),
    TaskSort.DUE: (Task.due_date, Task.id),
    TaskSort.PRIORITY: (Task.urgency, Task.created_at, Task.id),
    TaskSort.MOST_URGENT: (Task.urgency.desc(), Task.created_at.desc(), Task.id.desc()),
}
Reading: TypeAlias = Callable[..., Select[Any]]
"""Which rows of a shape a list reads: all of them, or those of projects that are not hidden."""

LIMIT, OFFSET = bindparam("limit", type_=Integer()), bindparam("offset", type_=Integer())
_PLACE = (bound("created_at", Task.created_at), bound("after", Task.id))


MOST: Any = literal_column(str(DEEPEST + 1))
"""One past the largest total that is counted."""


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
        """The rows of a page by number: `limit` of them after `offset`; not to be shown where they say `hiding`."""
        return _page(self.shape, self.sort, _read)

    @property
    def page_over(self) -> Prepared:
        """The same, stepping over the tasks of hidden projects."""
        return _page(self.shape, self.sort, visible)

    @property
    def total(self) -> Prepared:
        """How many rows there are, counted no further than one past the cap; None while a project is hidden."""
        return _total(self.shape)

    def continued(self, *, begun: bool) -> Prepared:
        """The first `limit` rows by time of creation, or those after a place; not to be shown where they say `hiding`."""
        return _continued(self.shape, self.sort, _read, begun=begun)

    def continued_over(self, *, begun: bool) -> Prepared:
        """The same, stepping over the tasks of hidden projects."""
        return _continued(self.shape, self.sort, visible, begun=begun)

    def place(self, cursor: str) -> Mapping[str, Any]:
        """The values of the place that a cursor stands for."""
        place = Place.decoded(cursor, descending=self.sort is TaskSort.NEWEST)
        return {"created_at": place.created_at, "after": place.id}


def _containing(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def hidden() -> Select[Any]:
    """The projects that wait for their deletion; hardly ever any, and found by an index of their own."""
    return select(Project.id).where(
        Project.workspace_id == bound("workspace_id", Task.workspace_id), Project.deleted_at.is_not(None)
    )


def matching(shape: frozenset[str], *columns: Any) -> Select[Any]:
    """Tasks that pass the filters, hidden or not."""
    workspace = Task.workspace_id == bound("workspace_id", Task.workspace_id)
    return select(*columns).where(workspace, *(FILTERS[name] for name in sorted(shape)))


def _read(shape: frozenset[str], *columns: Any) -> Select[Any]:
    """Tasks that pass the filters, and whether some of them may be hidden: looked at once, and not for every row."""
    return matching(shape, *columns, exists(hidden()).label("hiding"))


def visible(shape: frozenset[str], *columns: Any) -> Select[Any]:
    """Tasks that pass the filters, without those of hidden projects; one that is asked for by name is looked up once."""
    of_hidden = func.array(hidden().scalar_subquery(), type_=array([Task.project_id]).type)
    if "project_id" in shape:
        return matching(shape, *columns).where(bound("project_id", Task.project_id) != func.all(of_hidden))
    return matching(shape, *columns).where(or_(Task.project_id.is_(None), Task.project_id != func.all(of_hidden)))


def _rows(shape: frozenset[str], reading: Reading) -> Select[Any]:
    return reading(shape, *COLUMNS).outerjoin(Project, Project.id == Task.project_id)


@lru_cache(maxsize=1024)
def _page(shape: frozenset[str], sort: TaskSort, reading: Reading) -> Prepared:
    if sort is TaskSort.LATEST_DUE:
        return Prepared(_latest_due(shape, reading), anew=True)
    return Prepared(_rows(shape, reading).order_by(*ORDERS[sort]).limit(LIMIT).offset(OFFSET), anew=True)


def _latest_due(shape: frozenset[str], reading: Reading) -> Select[Any]:
    """Dated tasks, the last first, then those without a date: two walks along one index, where one would need a sort.

    The second is made only when the first did not reach the end of the page; rows are read when it is known which.
    """
    order = (Task.due_date.desc(), Task.id.desc())
    walked = reading(shape, Task.id, Task.due_date).order_by(*order)
    dated = walked.where(Task.due_date.is_not(None)).limit(LIMIT + OFFSET).cte("dated")
    missing = LIMIT + OFFSET - select(func.count()).select_from(dated).scalar_subquery()
    undated = walked.where(Task.due_date.is_(None)).limit(missing)
    both = union_all(select(dated), undated).subquery()
    told = [both.c.hiding] if "hiding" in both.c else []
    page = select(both.c.id, *told).order_by(both.c.due_date.desc().nulls_last(), both.c.id.desc())
    chosen = page.limit(LIMIT).offset(OFFSET).subquery()
    columns: tuple[Any, ...] = (*COLUMNS, *(chosen.c[column.name] for column in told))
    return (
        select(*columns)
        .join(chosen, chosen.c.id == Task.id)
        .outerjoin(Project, Project.id == Task.project_id)
        .order_by(Task.due_date.desc().nulls_last(), Task.id.desc())
    )


@lru_cache(maxsize=1024)
def _continued(shape: frozenset[str], sort: TaskSort, reading: Reading, *, begun: bool) -> Prepared:
    rows = _rows(shape, reading).order_by(*ORDERS[sort]).limit(LIMIT)
    return Prepared(rows.where(beyond(sort)) if begun else rows, anew=True)


def beyond(sort: TaskSort) -> ColumnElement[bool]:
    """What comes after a place in the order of creation."""
    here, there = tuple_(Task.created_at, Task.id), tuple_(*_PLACE)
    return here < there if sort is TaskSort.NEWEST else here > there


def counted(rows: Select[Any] | CompoundSelect[Any]) -> Prepared:
    """The `total` of rows, counted no further than one past the cap."""
    return Prepared(select(func.count().label("total")).select_from(rows.limit(MOST).subquery()), anew=True)


@lru_cache(maxsize=1024)
def _total(shape: frozenset[str]) -> Prepared:
    """Indexes know enough to count, and no task is read."""
    reached = matching(shape, literal_column("1")).limit(MOST).subquery()
    total = select(func.count()).select_from(reached).scalar_subquery()
    return Prepared(select(case((~exists(hidden()), total)).label("total")), anew=True)


ONE = Prepared(
    select(*COLUMNS)
    .outerjoin(Project, Project.id == Task.project_id)
    .where(
        Task.workspace_id == bound("workspace_id", Task.workspace_id),
        Task.id == bound("id", Task.id),
        or_(Task.project_id.is_(None), Project.deleted_at.is_(None)),
    )
)
"""One task of a workspace."""
