"""One event of every public type, made of the real models: shown by the API, and sent by test webhooks."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flowtask_contracts.events.envelope import Event, changes_between
from flowtask_contracts.events.projects import ProjectCreated, ProjectDeleted, ProjectUpdated
from flowtask_contracts.events.tasks import TaskAssigned, TaskCompleted, TaskCreated, TaskDeleted, TaskUpdated
from flowtask_contracts.resources import PlainTask, Project, ProjectRef, Task, TaskPriority, TaskStatus

WORKSPACE, PERSON, PROJECT, TASK = (UUID(f"01a20400-0000-7000-8000-00000000000{digit}") for digit in range(1, 5))
_BEGAN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
_LATER = _BEGAN + timedelta(hours=3)

_PROJECT = Project(
    id=PROJECT,
    name="Website relaunch",
    description="Everything that has to be there on the first of December.",
    owner_id=PERSON,
    created_at=_BEGAN,
    updated_at=_BEGAN,
)
_TASK = Task(
    id=TASK,
    title="Write the launch announcement",
    description="Two paragraphs, and a picture.",
    status=TaskStatus.TODO,
    priority=TaskPriority.HIGH,
    due_date=datetime(2026, 12, 1, 17, 0, tzinfo=UTC),
    project_id=PROJECT,
    project=ProjectRef(id=PROJECT, name=_PROJECT.name),
    assignee_id=PERSON,
    created_at=_BEGAN,
    updated_at=_BEGAN,
    completed_at=None,
)
_DONE = _TASK.model_copy(update={"status": TaskStatus.DONE, "updated_at": _LATER, "completed_at": _LATER})
_RENAMED = _PROJECT.model_copy(update={"name": "Website relaunch, second part", "updated_at": _LATER})


def _event(kind: type[Event], data: PlainTask | Project, before: PlainTask | Project | None = None) -> Event:
    told: dict[str, Any] = {}
    if before is not None:
        was, now = (each.model_dump(mode="json", by_alias=True) for each in (before, data))
        told = {"changes": changes_between(was, now)}
    return kind(
        workspace_id=WORKSPACE,
        subject=data.id,
        time=data.updated_at,
        actor=f"user:{PERSON}",
        version=1 if data.updated_at == _BEGAN else 2,
        data=data,
        **told,
    )


SAMPLES: Mapping[str, Event] = {
    sample.type: sample
    for sample in (
        _event(TaskCreated, _TASK),
        _event(TaskUpdated, _DONE, _TASK),
        _event(TaskAssigned, _TASK),
        _event(TaskCompleted, _DONE),
        _event(TaskDeleted, _DONE),
        _event(ProjectCreated, _PROJECT),
        _event(ProjectUpdated, _RENAMED, _PROJECT),
        _event(ProjectDeleted, _RENAMED),
    )
}
"""By type; a test sees to it that none is missing."""
