"""What is asked of a list of tasks, and the statements that answer it, each compiled once for every shape of a question."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

from flowtask_kit.database.prepared import Prepared

from ..http.paging import Place
from . import finding, listing
from .models import RANKS
from .schemas import ListTasks, TaskSort
from .searching import Keys


@dataclass(frozen=True)
class Question:
    """Which tasks are asked for: `shape` chooses the statement, `values` are what it is run with."""

    shape: frozenset[str]
    sort: TaskSort
    values: Mapping[str, Any]

    @classmethod
    def of(cls, workspace_id: UUID, asked: ListTasks, keys: Keys | None = None) -> Self:
        """The question of a list; `keys` are those of its text, if it looks for one."""
        given = {
            "status": asked.status,
            "urgency": None if asked.priority is None else RANKS[asked.priority],
            "project_id": asked.project_id,
            "assignee_id": asked.assignee_id,
            "due_before": asked.due_before,
            "due_after": asked.due_after,
            "searched": asked.q,
            "keys": list(keys.values) if keys and keys.values else None,
        }
        values = {name: value for name, value in given.items() if value is not None}
        few = {"few": finding.few(keys, asked.sort)} if keys else {}
        return cls(frozenset(values), asked.sort, {"workspace_id": workspace_id, **values, **few})

    @property
    def page(self) -> Prepared:
        """The rows of a page by number: `limit` of them after `offset`; not to be shown where they say `hiding`."""
        return _page(self.shape, self.sort, listing.read)

    @property
    def page_over(self) -> Prepared:
        """The same, stepping over the tasks of hidden projects."""
        return _page(self.shape, self.sort, listing.visible)

    @property
    def total(self) -> Prepared:
        """How many rows there are, counted no further than one past the cap; None while a project is hidden."""
        return _total(self.shape)

    def continued(self, *, begun: bool) -> Prepared:
        """The first `limit` rows by time of creation, or those after a place; not to be shown where they say `hiding`."""
        return _continued(self.shape, self.sort, listing.read, begun=begun)

    def continued_over(self, *, begun: bool) -> Prepared:
        """The same, stepping over the tasks of hidden projects."""
        return _continued(self.shape, self.sort, listing.visible, begun=begun)

    def place(self, cursor: str) -> Mapping[str, Any]:
        """The values of the place that a cursor stands for."""
        place = Place.decoded(cursor, descending=self.sort is TaskSort.NEWEST)
        return {"created_at": place.created_at, "after": place.id}


@lru_cache(maxsize=1024)
def _page(shape: frozenset[str], sort: TaskSort, reading: listing.Reading) -> Prepared:
    rows = finding.rows(shape, sort, reading) if "keys" in shape else listing.page(shape, sort, reading)
    return Prepared(rows, anew=True)


@lru_cache(maxsize=1024)
def _continued(shape: frozenset[str], sort: TaskSort, reading: listing.Reading, *, begun: bool) -> Prepared:
    if "keys" in shape:
        return Prepared(finding.rows(shape, sort, reading, begun=begun), anew=True)
    return Prepared(listing.continued(shape, sort, reading, begun=begun), anew=True)


@lru_cache(maxsize=1024)
def _total(shape: frozenset[str]) -> Prepared:
    return Prepared(listing.total(shape), anew=True)
