"""Questions about tasks; those of a hidden project answer none of them."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, UnaryExpression, case, or_, select
from sqlalchemy.orm import contains_eager

from flowtask_contracts.resources import TaskPriority

from ..accounts.models import Membership
from ..projects.models import Project
from .models import Task
from .schemas import ListTasks, TaskSort

_URGENCY = case(
    {priority: rank for rank, priority in enumerate(TaskPriority)},
    value=Task.priority,
)

_ORDERS: dict[TaskSort, tuple[UnaryExpression[Any] | ColumnElement[Any] | Any, ...]] = {
    TaskSort.CREATED: (Task.created_at, Task.id),
    TaskSort.NEWEST: (Task.created_at.desc(), Task.id.desc()),
    TaskSort.DUE: (Task.due_date.asc().nulls_last(), Task.id),
    TaskSort.LATEST_DUE: (Task.due_date.desc().nulls_last(), Task.id.desc()),
    TaskSort.PRIORITY: (_URGENCY, Task.created_at.desc(), Task.id.desc()),
    TaskSort.MOST_URGENT: (_URGENCY.desc(), Task.created_at.desc(), Task.id.desc()),
}


def tasks(workspace_id: UUID, asked: ListTasks) -> Select[Task]:
    """A workspace's tasks that pass the filter, in the order asked for, each with its project."""
    filters = {
        Task.status: asked.status,
        Task.priority: asked.priority,
        Task.project_id: asked.project_id,
        Task.assignee_id: asked.assignee_id,
    }
    listed = _visible(workspace_id).where(*(column == value for column, value in filters.items() if value is not None))
    if asked.due_before is not None:
        listed = listed.where(Task.due_date < asked.due_before)
    if asked.due_after is not None:
        listed = listed.where(Task.due_date > asked.due_after)
    return listed.order_by(*_ORDERS[asked.sort])


def task(workspace_id: UUID, task_id: UUID) -> Select[Task]:
    """One task with its project."""
    return _visible(workspace_id).where(Task.id == task_id)


def locked_task(workspace_id: UUID, task_id: UUID) -> Select[Task]:
    """One task for changing, without its project: a join would show the project from before the lock was had."""
    return select(Task).where(Task.workspace_id == workspace_id, Task.id == task_id).with_for_update()


def project(workspace_id: UUID, project_id: UUID) -> Select[Project]:
    """The project of a task, if it is not hidden."""
    return select(Project).where(
        Project.workspace_id == workspace_id, Project.id == project_id, Project.deleted_at.is_(None)
    )


def held_project(workspace_id: UUID, project_id: UUID) -> Select[Project]:
    """A project that a task is put into: it cannot be hidden before the task is there, so its deletion misses none."""
    return project(workspace_id, project_id).with_for_update(read=True)


def member(workspace_id: UUID, user_id: UUID) -> Select[UUID]:
    """The user's id, if they belong to the workspace."""
    return select(Membership.user_id).where(Membership.workspace_id == workspace_id, Membership.user_id == user_id)


def _visible(workspace_id: UUID) -> Select[Task]:
    return (
        select(Task)
        .outerjoin(Task.project)
        .options(contains_eager(Task.project))
        .where(Task.workspace_id == workspace_id, or_(Task.project_id.is_(None), Project.deleted_at.is_(None)))
    )
