"""Tasks over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from flowtask_contracts.resources import Task
from flowtask_kit.http.envelope import Envelope

from ..auth.dependencies import Authenticated
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Directly, DirectTx
from ..http.preconditions import IfMatch
from ..http.refusals import may_raise
from ..idempotency.dependencies import once_directly
from ..projects.errors import ProjectNotFound
from . import reading, service
from .errors import AssigneeNotFound, TaskNotFound
from .schemas import CreateTask, ListTasks, UpdateTask

router = api_router("Tasks", "/tasks", resource=Resource.TASKS)


@router.get("", summary="List tasks")
async def list_tasks(
    direct: Directly, caller: Authenticated, asked: Annotated[ListTasks, Query()]
) -> Envelope[tuple[Task, ...]]:
    """The workspace's tasks that pass the filter, newest first, by page (with a total) or by cursor."""
    page = await reading.list_tasks(direct, caller, asked)
    return Envelope(data=tuple(page.rows), meta=page.meta)


@router.post("", status_code=status.HTTP_201_CREATED, summary="Create a task", dependencies=[once_directly()])
@may_raise(ProjectNotFound, AssigneeNotFound)
async def create_task(tx: DirectTx, caller: Authenticated, body: CreateTask, response: Response) -> Envelope[Task]:
    """A new task; it is stored together with its event when the answer comes."""
    task = await service.create_task(tx, caller, body)
    response.headers["Location"] = f"/api/v1/tasks/{task.id}"
    response.headers["ETag"] = task.etag
    return Envelope(data=task.resource())


@router.get("/{task_id}", summary="Get a task")
@may_raise(TaskNotFound)
async def get_task(direct: Directly, caller: Authenticated, task_id: UUID, response: Response) -> Envelope[Task]:
    """One task with the name of its project."""
    task = await reading.get_task(direct, caller, task_id)
    response.headers["ETag"] = task.etag
    return Envelope(data=task.resource)


@router.patch("/{task_id}", summary="Change a task", dependencies=[once_directly()])
@router.put("/{task_id}", summary="Update a task", dependencies=[once_directly()])
@may_raise(TaskNotFound, ProjectNotFound, AssigneeNotFound)
async def update_task(
    tx: DirectTx, caller: Authenticated, task_id: UUID, body: UpdateTask, seen: IfMatch, response: Response
) -> Envelope[Task]:
    """Change the fields that are sent; the others stay. `DONE` completes the task."""
    task = await service.update_task(tx, caller, task_id, body, seen)
    response.headers["ETag"] = task.etag
    return Envelope(data=task.resource())


@router.delete(
    "/{task_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    summary="Delete a task",
    dependencies=[once_directly()],
)
@may_raise(TaskNotFound)
async def delete_task(tx: DirectTx, caller: Authenticated, task_id: UUID, seen: IfMatch) -> None:
    """The task is gone."""
    await service.delete_task(tx, caller, task_id, seen)
