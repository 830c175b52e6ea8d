"""What callers do with projects; each change and its event commit together or not at all."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.ids import utc_now

from ..auth.models import Caller
from ..database import Outbox
from ..http.paging import Page, continued, numbered
from ..http.preconditions import Precondition
from . import queries
from .errors import ProjectNotFound
from .models import Project
from .schemas import CreateProject, ListProjects, UpdateProject


async def list_projects(tx: AsyncSession, caller: Caller, asked: ListProjects) -> Page[Project]:
    """The workspace's projects, by page or by cursor."""
    listed = queries.projects(caller.workspace_id, descending=asked.descending)
    if asked.cursor is None:
        return await numbered(tx, listed, asked)
    return await continued(
        tx,
        listed,
        asked,
        Project.created_at,
        Project.id,
        lambda project: (project.created_at, project.id),
        descending=asked.descending,
    )


async def get_project(tx: AsyncSession, caller: Caller, project_id: UUID) -> Project:
    """One project of the workspace."""
    project = await tx.scalar(queries.project(caller.workspace_id, project_id))
    if project is None:
        raise ProjectNotFound
    return project


async def create_project(tx: AsyncSession, caller: Caller, body: CreateProject) -> Project:
    """A new project, owned by the caller."""
    project = Project.new(
        workspace_id=caller.workspace_id,
        owner_id=caller.user_id,
        name=body.name,
        description=body.description,
        at=utc_now(),
    )
    tx.add_all((project, Outbox.of(project.created(actor=caller.actor))))
    return project


async def update_project(
    tx: AsyncSession, caller: Caller, project_id: UUID, body: UpdateProject, seen: Precondition
) -> Project:
    """Change the fields that were sent, if the project is as the caller has seen it; what changes nothing tells nothing."""
    project = await _locked(tx, caller, project_id)
    seen.check(project.version)
    fields = {name: getattr(body, name) for name in body.model_fields_set}
    event = project.change(fields, actor=caller.actor, at=utc_now())
    if event is not None:
        tx.add(Outbox.of(event))
    return project


async def delete_project(tx: AsyncSession, caller: Caller, project_id: UUID, seen: Precondition) -> None:
    """Hide a project and all its tasks at once; their deletion follows."""
    project = await _locked(tx, caller, project_id)
    seen.check(project.version)
    project.hide(actor=caller.actor, at=utc_now())


async def _locked(tx: AsyncSession, caller: Caller, project_id: UUID) -> Project:
    project = await tx.scalar(queries.project(caller.workspace_id, project_id).with_for_update())
    if project is None:
        raise ProjectNotFound
    return project
