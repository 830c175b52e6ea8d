"""What callers do with tasks; each change and its events commit together or not at all."""

from typing import Any
from uuid import UUID

from flowtask_contracts.resources import TaskPriority, TaskStatus
from flowtask_kit.database.direct import DirectTransaction
from flowtask_kit.database.prepared import Prepared
from flowtask_kit.ids import utc_now

from ..auth.models import Caller
from ..http.preconditions import Precondition
from ..projects.errors import ProjectNotFound
from . import queries, storing
from .errors import AssigneeNotFound, TaskNotFound
from .models import ProjectRecord, TaskRecord
from .schemas import CreateTask, UpdateTask


async def create_task(tx: DirectTransaction, caller: Caller, body: CreateTask) -> TaskRecord:
    """A new task."""
    fields = dict(body)
    project = await _chosen(tx, caller, fields.pop("project_id"))
    await _require_member(tx, caller, fields["assignee_id"])
    task = TaskRecord.new(fields, project, workspace_id=caller.workspace_id, by=caller.user_id, at=utc_now())
    await storing.insert(tx, task, task.created(actor=caller.actor))
    return task


async def update_task(
    tx: DirectTransaction, caller: Caller, task_id: UUID, body: UpdateTask, seen: Precondition
) -> TaskRecord:
    """Change the fields that were sent, if the task is as the caller has seen it; what changes nothing tells nothing."""
    task = await _locked(tx, caller, task_id)
    seen.check(task.version)
    fields = {name: getattr(body, name) for name in body.model_fields_set}
    await _resolve(tx, caller, task, fields)
    events = task.change(fields, actor=caller.actor, at=utc_now())
    if events:
        await storing.update(tx, task, events)
    return task


async def delete_task(tx: DirectTransaction, caller: Caller, task_id: UUID, seen: Precondition) -> None:
    """Remove a task."""
    task = await _locked(tx, caller, task_id)
    seen.check(task.version)
    await storing.delete(tx, task, task.deleted(actor=caller.actor, at=utc_now()))


async def _locked(tx: DirectTransaction, caller: Caller, task_id: UUID) -> TaskRecord:
    """The task, locked, with the project that it is in now."""
    row = await queries.LOCKED.first(tx, {"workspace_id": caller.workspace_id, "id": task_id})
    if row is None:
        raise TaskNotFound
    kinds = {"status": TaskStatus(row["status"]), "priority": TaskPriority(row["priority"])}
    task = TaskRecord(**{**dict(row), **kinds})
    if task.project_id is not None:
        task.project = await _project(queries.PROJECT, tx, caller, task.project_id)
        if task.project is None:
            raise TaskNotFound
    return task


async def _resolve(tx: DirectTransaction, caller: Caller, task: TaskRecord, fields: dict[str, Any]) -> None:
    """Look up whom and what the new fields point to, where they point elsewhere than before."""
    if fields.get("project_id", task.project_id) != task.project_id:
        fields["project"] = await _chosen(tx, caller, fields["project_id"])
    if fields.get("assignee_id", task.assignee_id) != task.assignee_id:
        await _require_member(tx, caller, fields["assignee_id"])


async def _chosen(tx: DirectTransaction, caller: Caller, project_id: UUID | None) -> ProjectRecord | None:
    """The project that a task is put into."""
    if project_id is None:
        return None
    project = await _project(queries.HELD_PROJECT, tx, caller, project_id)
    if project is None:
        raise ProjectNotFound
    return project


async def _project(
    statement: Prepared, tx: DirectTransaction, caller: Caller, project_id: UUID
) -> ProjectRecord | None:
    row = await statement.first(tx, {"workspace_id": caller.workspace_id, "id": project_id})
    return None if row is None else ProjectRecord(**dict(row))


async def _require_member(tx: DirectTransaction, caller: Caller, user_id: UUID | None) -> None:
    if user_id is None or user_id == caller.user_id:
        return
    if await queries.MEMBER.first(tx, {"workspace_id": caller.workspace_id, "id": user_id}) is None:
        raise AssigneeNotFound
