"""Events as the API publishes them: real types, real envelopes, bodies of about 1 KB."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from flowtask_contracts.events import Event, TaskCompleted, TaskCreated, TaskUpdated, changes_between
from flowtask_contracts.resources import Task
from flowtask_kit.ids import new_id, utc_now
from flowtask_kit.outbox.publish import Row
from flowtask_webhook_dispatcher.dispatch.payload import PublicEvent

KINDS: tuple[type[Event], ...] = (TaskCreated, TaskUpdated, TaskCompleted)
SOURCE = "flowtask/api"
_EVENT, _TASK, _WORKSPACE = (UUID(f"{digit * 8}-{digit * 4}-7{digit * 3}-8{digit * 3}-{digit * 12}") for digit in "abc")
_BODY = 1024


def make(workspace_id: UUID, count: int) -> list[Row]:
    """That many events of a workspace, as rows of an outbox that are to be published now."""
    templates = _templates(workspace_id)
    event, task = str(_EVENT).encode(), str(_TASK).encode()
    rows = []
    for number in range(count):
        kind, template = templates[number % len(templates)]
        event_id = new_id()
        payload = template.replace(event, str(event_id).encode()).replace(task, str(new_id()).encode())
        rows.append(Row(number, event_id, kind.bus_subject(), {}, payload, utc_now()))
    return rows


def body() -> bytes:
    """The body of a webhook of such an event."""
    return PublicEvent.parse(make(_WORKSPACE, 1)[0].payload).body(_EVENT)


def _templates(workspace_id: UUID) -> Sequence[tuple[type[Event], bytes]]:
    """Each kind with its CloudEvent, the description as long as makes the webhook's body 1 KB."""
    return [(kind, _event(kind, workspace_id, _BODY - _length(kind, workspace_id))) for kind in KINDS]


def _length(kind: type[Event], workspace_id: UUID) -> int:
    return len(PublicEvent.parse(_event(kind, workspace_id, 0)).body(_EVENT))


def _event(kind: type[Event], workspace_id: UUID, described: int) -> bytes:
    now = datetime.now(UTC)
    task = Task(
        id=_TASK,
        title="Write the quarterly report",
        description="x" * described,
        status="TODO",
        priority="HIGH",
        due_date=now,
        project_id=None,
        project=None,
        assignee_id=None,
        created_at=now,
        updated_at=now,
        completed_at=None,
    )
    changes = None if kind is TaskCreated else changes_between({"title": "Write it"}, {"title": task.title})
    happened = kind(
        workspace_id=workspace_id, subject=_TASK, time=now, actor="system", version=1, data=task, changes=changes
    )
    return happened.cloud_event(_EVENT, SOURCE).to_json()
