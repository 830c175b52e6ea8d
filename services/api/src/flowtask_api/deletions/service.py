"""One step of a deletion: a chunk of tasks, or in the end the project; each with its events, in one transaction."""

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.ids import utc_now

from ..database import Outbox
from ..projects.models import Project
from . import queries

CHUNK = 200


async def next_step(tx: AsyncSession, *, chunk: int = CHUNK) -> bool:
    """Delete up to `chunk` tasks of a hidden project, or the project when it has none; False when nothing is hidden."""
    project = await tx.scalar(queries.next_project())
    if project is None:
        return False
    if not await _delete_tasks(tx, project, chunk):
        tx.add(Outbox.of(project.deleted(at=utc_now())))
        await tx.flush()
        await tx.execute(queries.remove_project(project.id))
    crashpoint("deletions.before-commit")
    return True


async def _delete_tasks(tx: AsyncSession, project: Project, chunk: int) -> int:
    tasks = (await tx.scalars(queries.next_tasks(project.id, chunk))).all()
    if not tasks:
        return 0
    actor, now = project.deleted_by or "system", utc_now()
    for task in tasks:
        set_committed_value(task, "project", project)
        tx.add(Outbox.of(task.deleted(actor=actor, at=now)))
    await tx.execute(queries.remove_tasks([task.id for task in tasks]))
    return len(tasks)
