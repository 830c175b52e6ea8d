"""The statements that read tasks, each compiled once for every shape of a question and run on the driver."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    String,
    Subquery,
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

from ..http.paging import DEEPEST
from ..projects.models import Project
from .models import Task
from .schemas import TaskSort

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


def contains(searched: Any) -> ColumnElement[bool]:
    """Whether the text of a search is somewhere in what it looks into."""
    return func.strpos(searched, func.lower(bindparam("searched", type_=String()))) > literal_column("0")


FILTERS: Mapping[str, ColumnElement[bool]] = {
    "status": Task.status == bound("status", Task.status),
    "urgency": Task.urgency == bound("urgency", Task.urgency),
    "project_id": Task.project_id == bound("project_id", Task.project_id),
    "assignee_id": Task.assignee_id == bound("assignee_id", Task.assignee_id),
    "due_before": Task.due_date < bound("due_before", Task.due_date),
    "due_after": Task.due_date > bound("due_after", Task.due_date),
    "searched": contains(Task.searched),
    "keys": func.api.search_keys(Task.workspace_id, Task.searched).op("@>")(bindparam("keys", type_=ARRAY(BigInteger))),
}
Reading: TypeAlias = Callable[..., Select[Any]]
"""Which rows of a shape a list reads: all of them, or those of projects that are not hidden."""

LIMIT, OFFSET = bindparam("limit", type_=Integer()), bindparam("offset", type_=Integer())
_PLACE = (bound("created_at", Task.created_at), bound("after", Task.id))


MOST: Any = literal_column(str(DEEPEST + 1))
"""One past the largest total that is counted."""


def order(sort: TaskSort, of: Any = Task) -> tuple[Any, ...]:
    """What a list is put in order by: columns of the table, or of what was chosen from it."""
    match sort:
        case TaskSort.CREATED:
            return of.created_at, of.id
        case TaskSort.NEWEST:
            return of.created_at.desc(), of.id.desc()
        case TaskSort.DUE:
            return of.due_date, of.id
        case TaskSort.LATEST_DUE:
            return of.due_date.desc().nulls_last(), of.id.desc()
        case TaskSort.PRIORITY:
            return of.urgency, of.created_at, of.id
        case TaskSort.MOST_URGENT:
            return of.urgency.desc(), of.created_at.desc(), of.id.desc()


def hidden() -> Select[Any]:
    """The projects that wait for their deletion; hardly ever any, and found by an index of their own."""
    return select(Project.id).where(
        Project.workspace_id == bound("workspace_id", Task.workspace_id), Project.deleted_at.is_not(None)
    )


def matching(shape: frozenset[str], *columns: Any) -> Select[Any]:
    """Tasks that pass the filters, hidden or not."""
    workspace = Task.workspace_id == bound("workspace_id", Task.workspace_id)
    return select(*columns).where(workspace, *(FILTERS[name] for name in sorted(shape)))


def read(shape: frozenset[str], *columns: Any) -> Select[Any]:
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


def page(shape: frozenset[str], sort: TaskSort, reading: Reading) -> Select[Any]:
    """The rows of a page by number: `limit` of them after `offset`."""
    if sort is TaskSort.LATEST_DUE:
        return _latest_due(shape, reading)
    return _rows(shape, reading).order_by(*order(sort)).limit(LIMIT).offset(OFFSET)


def _latest_due(shape: frozenset[str], reading: Reading) -> Select[Any]:
    """Dated tasks, the last first, then those without a date: two walks along one index, where one would need a sort.

    The second is made only when the first did not reach the end of the page; rows are read when it is known which.
    """
    walked = reading(shape, Task.id, Task.due_date).order_by(Task.due_date.desc(), Task.id.desc())
    dated = walked.where(Task.due_date.is_not(None)).limit(LIMIT + OFFSET).cte("dated")
    missing = LIMIT + OFFSET - select(func.count()).select_from(dated).scalar_subquery()
    undated = walked.where(Task.due_date.is_(None)).limit(missing)
    return shown(union_all(select(dated), undated).subquery("both"), TaskSort.LATEST_DUE)


def shown(matches: Subquery, sort: TaskSort) -> Select[Any]:
    """The rows of a page of tasks of which the ids are known, what the order goes by, and perhaps `hiding`."""
    told = [matches.c.hiding] if "hiding" in matches.c else []
    chosen = (
        select(matches.c.id, *told).order_by(*order(sort, matches.c)).limit(LIMIT).offset(OFFSET).subquery("chosen")
    )
    columns: tuple[Any, ...] = (*COLUMNS, *(chosen.c[column.name] for column in told))
    return (
        select(*columns)
        .join(chosen, chosen.c.id == Task.id)
        .outerjoin(Project, Project.id == Task.project_id)
        .order_by(*order(sort))
    )


def continued(shape: frozenset[str], sort: TaskSort, reading: Reading, *, begun: bool) -> Select[Any]:
    """The first `limit` rows by time of creation, or those after a place."""
    rows = _rows(shape, reading).order_by(*order(sort)).limit(LIMIT)
    return rows.where(beyond(sort)) if begun else rows


def beyond(sort: TaskSort) -> ColumnElement[bool]:
    """What comes after a place in the order of creation."""
    here, there = tuple_(Task.created_at, Task.id), tuple_(*_PLACE)
    return here < there if sort is TaskSort.NEWEST else here > there


def counted(rows: Select[Any] | CompoundSelect[Any]) -> Prepared:
    """The `total` of rows, counted no further than one past the cap."""
    return Prepared(select(func.count().label("total")).select_from(rows.limit(MOST).subquery()), anew=True)


def total(shape: frozenset[str]) -> Select[Any]:
    """How many rows there are, counted no further than one past the cap; None while a project is hidden.

    Indexes know enough to count, and no task is read, but for what a search looks into.
    """
    reached = matching(shape, literal_column("1")).limit(MOST).subquery()
    counted = select(func.count()).select_from(reached).scalar_subquery()
    return select(case((~exists(hidden()), counted)).label("total"))


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
