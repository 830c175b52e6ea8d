"""Projects over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response, status

from flowtask_contracts.resources import Project
from flowtask_kit.http.envelope import Envelope

from ..auth.dependencies import Authenticated
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Tx
from ..http.preconditions import IfMatch
from ..http.refusals import may_raise
from ..idempotency.dependencies import once
from . import service
from .errors import ProjectNotFound
from .schemas import CreateProject, ListProjects, UpdateProject

router = api_router("Projects", "/projects", resource=Resource.PROJECTS)


@router.get("", summary="List projects")
async def list_projects(
    tx: Tx, caller: Authenticated, asked: Annotated[ListProjects, Query()]
) -> Envelope[tuple[Project, ...]]:
    """The workspace's projects, newest first, by page (with a total) or by cursor."""
    page = await service.list_projects(tx, caller, asked)
    return Envelope(data=tuple(project.resource() for project in page.rows), meta=page.meta)


@router.post("", status_code=status.HTTP_201_CREATED, summary="Create a project", dependencies=[once()])
async def create_project(tx: Tx, caller: Authenticated, body: CreateProject, response: Response) -> Envelope[Project]:
    """A new project, owned by the caller."""
    project = await service.create_project(tx, caller, body)
    response.headers["Location"] = f"/api/v1/projects/{project.id}"
    response.headers["ETag"] = project.etag
    return Envelope(data=project.resource())


@router.get("/{project_id}", summary="Get a project")
@may_raise(ProjectNotFound)
async def get_project(tx: Tx, caller: Authenticated, project_id: UUID, response: Response) -> Envelope[Project]:
    """One project."""
    project = await service.get_project(tx, caller, project_id)
    response.headers["ETag"] = project.etag
    return Envelope(data=project.resource())


@router.patch("/{project_id}", summary="Change a project", dependencies=[once()])
@router.put("/{project_id}", summary="Update a project", dependencies=[once()])
@may_raise(ProjectNotFound)
async def update_project(
    tx: Tx, caller: Authenticated, project_id: UUID, body: UpdateProject, seen: IfMatch, response: Response
) -> Envelope[Project]:
    """Change the fields that are sent; the others stay."""
    project = await service.update_project(tx, caller, project_id, body, seen)
    response.headers["ETag"] = project.etag
    return Envelope(data=project.resource())


@router.delete(
    "/{project_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    summary="Delete a project",
    dependencies=[once()],
)
@may_raise(ProjectNotFound)
async def delete_project(tx: Tx, caller: Authenticated, project_id: UUID, seen: IfMatch, request: Request) -> None:
    """The project and its tasks are out of sight at once; an event follows for each, the project's last."""
    await service.delete_project(tx, caller, project_id, seen)
    request.app.state.deletions.wake_after(tx)
