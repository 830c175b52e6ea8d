"""What callers do with tasks; each change and its events commit together or not at all."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from flowtask_kit.ids import utc_now

from ..auth.models import Caller
from ..database import Outbox
from ..http.preconditions import Precondition
from ..projects.errors import ProjectNotFound
from ..projects.models import Project
from . import queries
from .errors import AssigneeNotFound, TaskNotFound
from .models import Task
from .schemas import UpdateTask


async def update_task(tx: AsyncSession, caller: Caller, task_id: UUID, body: UpdateTask, seen: Precondition) -> Task:
    """Change the fields that were sent, if the task is as the caller has seen it; what changes nothing tells nothing."""
    task = await _locked(tx, caller, task_id)
    seen.check(task.version)
    fields = {name: getattr(body, name) for name in body.model_fields_set}
    await _resolve(tx, caller, task, fields)
    tx.add_all(Outbox.of(event) for event in task.change(fields, actor=caller.actor, at=utc_now()))
    return task


async def delete_task(tx: AsyncSession, caller: Caller, task_id: UUID, seen: Precondition) -> None:
    """Remove a task."""
    task = await _locked(tx, caller, task_id)
    seen.check(task.version)
    tx.add(Outbox.of(task.deleted(actor=caller.actor, at=utc_now())))
    await tx.delete(task)


async def _locked(tx: AsyncSession, caller: Caller, task_id: UUID) -> Task:
    """The task, locked, with the project that it is in now."""
    task = await tx.scalar(queries.locked_task(caller.workspace_id, task_id))
    if task is None:
        raise TaskNotFound
    project = None
    if task.project_id is not None:
        project = await tx.scalar(queries.project(caller.workspace_id, task.project_id))
        if project is None:
            raise TaskNotFound
    set_committed_value(task, "project", project)
    return task


async def _resolve(tx: AsyncSession, caller: Caller, task: Task, fields: dict[str, Any]) -> None:
    """Look up whom and what the new fields point to, where they point elsewhere than before."""
    if fields.get("project_id", task.project_id) != task.project_id:
        fields["project"] = await _project(tx, caller, fields["project_id"])
    if fields.get("assignee_id", task.assignee_id) != task.assignee_id:
        await _require_member(tx, caller, fields["assignee_id"])


async def _project(tx: AsyncSession, caller: Caller, project_id: UUID | None) -> Project | None:
    if project_id is None:
        return None
    project = await tx.scalar(queries.held_project(caller.workspace_id, project_id))
    if project is None:
        raise ProjectNotFound
    return project


async def _require_member(tx: AsyncSession, caller: Caller, user_id: UUID | None) -> None:
    if user_id is None or user_id == caller.user_id:
        return
    if await tx.scalar(queries.member(caller.workspace_id, user_id)) is None:
        raise AssigneeNotFound
