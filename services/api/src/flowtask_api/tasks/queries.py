"""Questions about tasks; those of a hidden project answer none of them."""

from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, select

from flowtask_kit.database.prepared import Prepared

from ..accounts.models import Membership
from ..projects.models import Project
from .models import Task


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


HELD_PROJECT = Prepared(
    select(Project.id, Project.name, Project.version)
    .where(
        Project.workspace_id == bindparam("workspace_id", type_=Uuid()),
        Project.id == bindparam("id", type_=Uuid()),
        Project.deleted_at.is_(None),
    )
    .with_for_update(read=True)
)
"""The same as `held_project`, on the driver."""

MEMBER = Prepared(
    select(Membership.user_id).where(
        Membership.workspace_id == bindparam("workspace_id", type_=Uuid()),
        Membership.user_id == bindparam("id", type_=Uuid()),
    )
)
"""The same as `member`, on the driver."""


def member(workspace_id: UUID, user_id: UUID) -> Select[UUID]:
    """The user's id, if they belong to the workspace."""
    return select(Membership.user_id).where(Membership.workspace_id == workspace_id, Membership.user_id == user_id)
