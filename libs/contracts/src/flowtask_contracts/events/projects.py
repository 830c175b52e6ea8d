"""What happens to projects."""

from flowtask_contracts.events.envelope import Event
from flowtask_contracts.resources import Project


class ProjectEvent(Event):
    """Any event of a project; `data` is the project."""

    data: Project


class ProjectCreated(ProjectEvent):
    """A project was created."""

    type = "project.created"


class ProjectUpdated(ProjectEvent):
    """Something about a project changed; `changes` says what."""

    type = "project.updated"
    tells_changes = True


class ProjectDeleted(ProjectEvent):
    """A project and all its tasks are gone; `data` is its last state."""

    type = "project.deleted"
