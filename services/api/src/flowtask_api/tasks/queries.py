"""What writing tasks asks first, run on the driver; tasks of a hidden project answer none of it."""

from sqlalchemy import Uuid, bindparam, select

from flowtask_kit.database.prepared import Prepared

from ..accounts.models import Membership
from ..projects.models import Project
from .models import Task

_WORKSPACE, _ID = bindparam("workspace_id", type_=Uuid()), bindparam("id", type_=Uuid())

LOCKED = Prepared(
    select(*(column for column in Task.__table__.columns if column.server_default is None))
    .where(Task.workspace_id == _WORKSPACE, Task.id == _ID)
    .with_for_update()
)
"""One task for changing, without its project: a join would show the project from before the lock was had."""

_PROJECT = select(Project.id, Project.name, Project.version).where(
    Project.workspace_id == _WORKSPACE, Project.id == _ID, Project.deleted_at.is_(None)
)

PROJECT = Prepared(_PROJECT)
"""The project of a task, if it is not hidden."""

HELD_PROJECT = Prepared(_PROJECT.with_for_update(read=True))
"""A project that a task is put into: it cannot be hidden before the task is there, so its deletion misses none."""

MEMBER = Prepared(select(Membership.user_id).where(Membership.workspace_id == _WORKSPACE, Membership.user_id == _ID))
"""The user's id, if they belong to the workspace."""
