"""Reading tasks: rows of the driver become what callers see, without the ORM in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from flowtask_contracts import resources
from flowtask_kit.database.prepared import Where
from flowtask_kit.http.envelope import CursorMeta

from ..auth.models import Caller
from ..http.paging import Page, Place, page_meta
from ..http.preconditions import etag
from . import around, listing, searching
from .errors import TaskNotFound
from .questions import Question
from .schemas import ListTasks, TaskSort


@dataclass(frozen=True, slots=True)
class ReadTask:
    """A task as it was read, and the tag of that."""

    resource: resources.Task
    etag: str


async def get_task(where: Where, caller: Caller, task_id: UUID) -> ReadTask:
    """One task of the workspace."""
    row = await listing.ONE.first(where, {"workspace_id": caller.workspace_id, "id": task_id})
    if row is None:
        raise TaskNotFound
    shown = () if row["project_id"] is None else (row["project_version"],)
    return ReadTask(resource_of(row), etag(row["version"], *shown))


async def list_tasks(where: Where, caller: Caller, asked: ListTasks) -> Page[resources.Task]:
    """The workspace's tasks that pass the filter, by page or by cursor."""
    keys = None if asked.q is None else await searching.keys_of(where, caller.workspace_id, asked.q)
    question = Question.of(caller.workspace_id, asked, keys)
    if asked.cursor is not None:
        return await _continued(where, question, asked, asked.cursor)
    values = {**question.values, "limit": asked.per_page, "offset": asked.offset}
    rows = await question.page.all(where, values)
    if _hiding(rows):
        rows = await _around(where, question, values) or await question.page_over.all(where, values)
    total = asked.total_known_from(len(rows))
    if total is None:
        total = await _total(where, question)
    return Page([resource_of(row) for row in rows], page_meta(asked, total))


async def _continued(where: Where, question: Question, asked: ListTasks, cursor: str) -> Page[resources.Task]:
    """The page after a cursor; one row more than it holds tells whether it is the last."""
    begun = bool(cursor)
    place = question.place(cursor) if begun else {}
    values = {**question.values, **place, "limit": asked.per_page + 1, "offset": 0}
    rows = await question.continued(begun=begun).all(where, values)
    if _hiding(rows):
        over = question.continued_over(begun=begun)
        rows = await _around(where, question, values, begun=begun) or await over.all(where, values)
    shown = rows[: asked.per_page]
    following = None
    if len(rows) > len(shown):
        last = shown[-1]
        following = Place(last["created_at"], last["id"], descending=asked.sort is TaskSort.NEWEST).encoded()
    return Page([resource_of(row) for row in shown], CursorMeta(per_page=asked.per_page, next_cursor=following))


def _hiding(rows: Sequence[asyncpg.Record]) -> bool:
    """Whether a project is hidden, whose tasks may be among the rows; where there are none, none are hidden."""
    return bool(rows) and rows[0]["hiding"]


async def _around(
    where: Where, question: Question, values: Mapping[str, Any], *, begun: bool = False
) -> list[asyncpg.Record]:
    """The rows of a page, without those of hidden projects; nothing where only stepping over them can tell."""
    reach = values["limit"] + values["offset"]
    if not around.goes_around(question, reach):
        return []
    for depths in around.depths(question, reach):
        found = await around.page(question, begun=begun).all(where, {**values, **depths})
        if len(found) == values["limit"] or (found and found[0]["complete"]):
            return found
    return []


async def _total(where: Where, question: Question) -> int:
    counted = await question.total.first(where, question.values)
    if counted is None or counted["total"] is None:
        counted = await around.total(question).first(where, question.values)
    assert counted is not None
    return int(counted["total"])


def resource_of(row: asyncpg.Record) -> resources.Task:
    """The REST representation of a row."""
    fields = dict(row)
    if fields["project_id"] is not None:
        fields["project"] = {"id": fields["project_id"], "name": fields["project_name"]}
    else:
        fields["project"] = None
    return resources.Task.model_validate(fields)
