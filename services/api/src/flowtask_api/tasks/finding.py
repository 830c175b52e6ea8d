"""Lists of tasks with a text in them, found by the keys of the text.

Where few tasks have it, all of them are read and put in order. Where more have it, the list is walked along, for then a page is full
soon; if it is not, since all that have it stand far behind, they are read after all. One statement decides that as it goes.
"""

from typing import Any

from sqlalchemy import CTE, Integer, Select, Subquery, bindparam, func, literal_column, not_, select, union_all

from .listing import LIMIT, OFFSET, Reading, beyond, contains, order, shown
from .models import Task
from .schemas import BY_CREATION, TaskSort
from .searching import Keys

_BY_SEARCH = frozenset({"searched", "keys"})

_WALKED: Any = literal_column("50000")
"""How far a list is walked along: about 25 ms."""

_FEW = bindparam("few", type_=Integer())
_NEEDED: Any = LIMIT + OFFSET
_ORDERING = (Task.id, Task.created_at, Task.due_date, Task.urgency)


def few(keys: Keys, sort: TaskSort) -> int:
    """Fewer tasks than this are read without walking first; none where it is known that there are many.

    To read one of them costs some 2 us. To walk over one costs 0.5 us in the order of creation, in which tasks lie in the table, and
    1.5 us in another. Of ten million the numbers below are those at which 20 matches are met for what reading so many has cost.
    """
    if not keys.rare:
        return 0
    return 6_000 if sort in BY_CREATION else 13_000


def rows(shape: frozenset[str], sort: TaskSort, reading: Reading, *, begun: bool = False) -> Select[Any]:
    """The rows of a page, where `begun` of what comes after a place; `limit` of them after `offset`."""

    def of(which: frozenset[str], *columns: Any) -> Select[Any]:
        read = reading(which, *_ORDERING, *columns)
        return read.where(beyond(sort)) if begun else read

    some = of(shape).limit(_FEW).cte("some")
    near = _near(of(shape - _BY_SEARCH, Task.searched), sort)
    every = of(shape).cte("every").prefix_with("MATERIALIZED")
    complete, full = _count(some) < _FEW, _count(near) == _NEEDED
    ways = (
        select(some).where(complete),
        select(near).where(not_(complete), full),
        select(every).where(not_(complete), not_(full)),
    )
    return shown(union_all(*ways).subquery("matches"), sort)


def _near(read: Select[Any], sort: TaskSort) -> CTE:
    """What is found on the way along a list. Those without a date come last in both orders by date: they are not walked to."""

    def way(of: Any) -> tuple[Any, ...]:
        return (of.due_date.desc(), of.id.desc()) if sort is TaskSort.LATEST_DUE else order(sort, of)

    if sort is TaskSort.LATEST_DUE:
        read = read.where(Task.due_date.is_not(None))
    walk = read.order_by(*way(Task)).limit(_WALKED).subquery("walk")
    found = select(*(column for column in walk.c if column.name != "searched")).where(contains(walk.c.searched))
    return found.order_by(*way(walk.c)).limit(_NEEDED).cte("near")


def _count(rows: CTE | Subquery) -> Any:
    return select(func.count()).select_from(rows).scalar_subquery()
