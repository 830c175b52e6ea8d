"""Reading tasks: rows of the driver become what callers see, without the ORM in between."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from flowtask_contracts import resources
from flowtask_kit.database.prepared import Where
from flowtask_kit.http.envelope import CursorMeta

from ..auth.models import Caller
from ..http.paging import Page, Place, page_meta
from ..http.preconditions import etag
from . import listing
from .errors import TaskNotFound
from .listing import Question
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
    question = Question.of(caller.workspace_id, asked)
    if asked.cursor is not None:
        return await _continued(where, question, asked, asked.cursor)
    rows = await question.page.all(where, {**question.values, "limit": asked.per_page, "offset": asked.offset})
    total = asked.total_known_from(len(rows))
    if total is None:
        counted = await question.total.first(where, question.values)
        total = counted["total"] if counted is not None else 0
    return Page([resource_of(row) for row in rows], page_meta(asked, total))


async def _continued(where: Where, question: Question, asked: ListTasks, cursor: str) -> Page[resources.Task]:
    """The page after a cursor; one row more than it holds tells whether it is the last."""
    values = {**question.values, "limit": asked.per_page + 1}
    if cursor:
        rows = await question.after().all(where, {**values, **question.place(cursor)})
    else:
        rows = await question.first().all(where, values)
    shown = rows[: asked.per_page]
    following = None
    if len(rows) > len(shown):
        last = shown[-1]
        following = Place(last["created_at"], last["id"], descending=asked.sort is TaskSort.NEWEST).encoded()
    return Page([resource_of(row) for row in shown], CursorMeta(per_page=asked.per_page, next_cursor=following))


def resource_of(row: asyncpg.Record) -> resources.Task:
    """The REST representation of a row."""
    fields = dict(row)
    if fields["project_id"] is not None:
        fields["project"] = {"id": fields["project_id"], "name": fields["project_name"]}
    else:
        fields["project"] = None
    return resources.Task.model_validate(fields)
