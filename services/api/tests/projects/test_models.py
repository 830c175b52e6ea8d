from datetime import UTC, datetime, timedelta
from uuid import uuid4

from flowtask_api.projects.models import Project

BORN = datetime(2026, 11, 22, 10, tzinfo=UTC)
LATER = BORN + timedelta(hours=1)


def a_project() -> Project:
    return Project.new(workspace_id=uuid4(), owner_id=uuid4(), name="P", description=None, at=BORN)


def test_a_change_tells_what_differs():
    project = a_project()

    event = project.change({"name": "Q", "description": "d"}, actor="user:1", at=LATER)

    assert event is not None
    assert {name: (c.from_, c.to) for name, c in (event.changes or {}).items()} == {
        "name": ("P", "Q"),
        "description": (None, "d"),
    }
    assert (event.version, project.version, project.updated_at) == (2, 2, LATER)


def test_a_change_of_nothing_tells_nothing_and_touches_nothing():
    project = a_project()

    assert project.change({"name": "P"}, actor="user:1", at=LATER) is None
    assert (project.version, project.updated_at) == (1, BORN)


def test_a_deletion_is_told_in_the_name_of_who_hid_the_project():
    project = a_project()
    project.hide(actor="user:9", at=LATER)

    event = project.deleted(at=LATER)

    assert (event.type, event.actor, event.version, event.data.name) == ("project.deleted", "user:9", 2, "P")
