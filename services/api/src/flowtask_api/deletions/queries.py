"""Questions about what is still to be deleted."""

from uuid import UUID

from sqlalchemy import Delete, Select, delete, select

from ..projects.models import Project
from ..tasks.models import Task


def next_project() -> Select[Project]:
    """The project hidden longest ago that no other replica is deleting now; taken until the transaction ends."""
    return (
        select(Project)
        .where(Project.deleted_at.is_not(None))
        .order_by(Project.deleted_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def next_tasks(project_id: UUID, limit: int) -> Select[Task]:
    """Tasks that are still there, once whoever is changing them has finished."""
    return select(Task).where(Task.project_id == project_id).order_by(Task.id).limit(limit).with_for_update()


def remove_tasks(task_ids: list[UUID]) -> Delete:
    """Remove these tasks."""
    return delete(Task).where(Task.id.in_(task_ids))


def remove_project(project_id: UUID) -> Delete:
    """Remove a project that has no tasks any more."""
    return delete(Project).where(Project.id == project_id)
