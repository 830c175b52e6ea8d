"""One event of every public type, made of the real models: shown by the API, and sent by test webhooks."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flowtask_contracts.events.envelope import Event, changes_between
from flowtask_contracts.events.projects import ProjectCreated, ProjectDeleted, ProjectUpdated
from flowtask_contracts.events.tasks import TaskAssigned, TaskCompleted, TaskCreated, TaskDeleted, TaskUpdated
from flowtask_contracts.events.webhooks import WebhookDisabled, WebhookEvent, WebhookFailing, WebhookRecovered
from flowtask_contracts.resources import (
    PlainTask,
    Project,
    ProjectRef,
    Task,
    TaskPriority,
    TaskStatus,
    WebhookStanding,
)

WORKSPACE, PERSON, PROJECT, TASK = (UUID(f"01a20400-0000-7000-8000-00000000000{digit}") for digit in range(1, 5))
WEBHOOK = UUID("01a20400-0000-7000-8000-000000000007")
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


def _of_webhook(kind: type[WebhookEvent], hours: int, *, active: bool = True, missed: bool = False) -> Event:
    time = _BEGAN + timedelta(hours=hours)
    standing = WebhookStanding(
        id=WEBHOOK,
        description="Tells the billing system",
        active=active,
        failing_since=_BEGAN if hours else None,
        percent=round(hours / 1.2),
        hours=hours,
        limit_hours=120,
        disabled_at=None if active else time,
        disabled_reason=None if active else "failing",
        missed_since=_BEGAN if missed else None,
    )
    return kind(workspace_id=WORKSPACE, subject=WEBHOOK, time=time, actor="system", version=1, data=standing)


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
        _of_webhook(WebhookFailing, 60),
        _of_webhook(WebhookDisabled, 120, active=False, missed=True),
        _of_webhook(WebhookRecovered, 0, missed=True),
    )
}
"""By type; a test sees to it that none is missing."""
