from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from flowtask_api.projects.models import Project
from flowtask_api.tasks.models import Task
from flowtask_contracts.events.tasks import TaskEvent
from flowtask_contracts.resources import TaskPriority, TaskStatus

BORN = datetime(2026, 11, 22, 10, tzinfo=UTC)
LATER = BORN + timedelta(hours=1)
WORKSPACE, ADA, BOB = uuid4(), uuid4(), uuid4()


def a_task(project: Project | None = None, **fields) -> Task:
    given = {
        "title": "Write",
        "description": None,
        "status": TaskStatus.TODO,
        "priority": TaskPriority.MEDIUM,
        "due_date": None,
        "assignee_id": None,
    }
    return Task.new({**given, **fields}, project, workspace_id=WORKSPACE, by=ADA, at=BORN)


def a_project() -> Project:
    return Project.new(workspace_id=WORKSPACE, owner_id=ADA, name="P", description=None, at=BORN)


def types(events: list[TaskEvent]) -> list[str]:
    return [event.type for event in events]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["task.created"]),
        ({"assignee_id": BOB}, ["task.created", "task.assigned"]),
        ({"status": TaskStatus.DONE}, ["task.created", "task.completed"]),
        (
            {"assignee_id": BOB, "status": TaskStatus.DONE},
            ["task.created", "task.assigned", "task.completed"],
        ),
    ],
)
def test_a_new_task_tells_what_it_already_is(fields, expected):
    assert types(a_task(**fields).created(actor="user:1")) == expected


@pytest.mark.parametrize(
    ("before", "change", "expected"),
    [
        ({}, {}, []),
        ({}, {"title": "Write"}, []),
        ({}, {"title": "Read"}, ["task.updated"]),
        ({}, {"assignee_id": BOB}, ["task.updated", "task.assigned"]),
        ({"assignee_id": BOB}, {"assignee_id": BOB}, []),
        ({"assignee_id": BOB}, {"assignee_id": ADA}, ["task.updated", "task.assigned"]),
        ({"assignee_id": BOB}, {"assignee_id": None}, ["task.updated"]),
        ({}, {"status": TaskStatus.IN_PROGRESS}, ["task.updated"]),
        ({}, {"status": TaskStatus.DONE}, ["task.updated", "task.completed"]),
        ({"status": TaskStatus.DONE}, {"status": TaskStatus.DONE}, []),
        ({"status": TaskStatus.DONE}, {"status": TaskStatus.TODO}, ["task.updated"]),
        (
            {},
            {"status": TaskStatus.DONE, "assignee_id": BOB},
            ["task.updated", "task.assigned", "task.completed"],
        ),
    ],
)
def test_a_change_tells_updated_and_every_more_specific_event(before, change, expected):
    task = a_task(**before)

    events = task.change(change, actor="user:1", at=LATER)

    assert types(events) == expected
    assert task.version == (2 if expected else 1)
    assert task.updated_at == (LATER if expected else BORN)


def test_changes_name_each_field_before_and_after():
    task, project = a_task(due_date=BORN), a_project()

    (event,) = task.change(
        {"title": "Read", "due_date": None, "project_id": project.id, "project": project}, actor="user:1", at=LATER
    )

    changes = {name: (change.from_, change.to) for name, change in (event.changes or {}).items()}
    assert changes == {
        "title": ("Write", "Read"),
        "dueDate": ("2026-11-22T10:00:00.000Z", None),
        "projectId": (None, str(project.id)),
    }
    assert event.data.project is not None
    assert event.data.project.name == "P"


def test_done_is_completed_at_that_moment_and_leaving_done_takes_it_back():
    task = a_task()

    updated, completed = task.change({"status": TaskStatus.DONE}, actor="user:1", at=LATER)
    assert task.completed_at == LATER
    assert set(updated.changes or {}) == {"status", "completedAt"}
    assert completed.changes is None

    task.change({"status": TaskStatus.IN_PROGRESS}, actor="user:1", at=LATER)
    assert task.completed_at is None


def test_events_of_one_write_share_the_version_actor_and_time():
    task = a_task()

    events = task.change({"status": TaskStatus.DONE, "assignee_id": BOB}, actor="user:7", at=LATER)

    assert {(event.version, event.actor, event.time, event.subject) for event in events} == {
        (2, "user:7", LATER, task.id)
    }
    assert all(event.data == task.resource() for event in events)


def test_a_deletion_tells_the_last_state_under_a_higher_version():
    task = a_task()

    event = task.deleted(actor="user:1", at=LATER)

    assert (event.type, event.version, event.data) == ("task.deleted", 2, task.resource())
