"""Everything that can have happened. Public events go out as webhooks; internal ones never do."""

from flowtask_contracts.events.envelope import Change, CloudEvent, Event, changes_between
from flowtask_contracts.events.internal import MembershipCreated, MembershipUpdated, UserCreated, WorkspaceCreated
from flowtask_contracts.events.projects import ProjectCreated, ProjectDeleted, ProjectUpdated
from flowtask_contracts.events.tasks import TaskAssigned, TaskCompleted, TaskCreated, TaskDeleted, TaskUpdated

PUBLIC: tuple[type[Event], ...] = (
    TaskCreated,
    TaskUpdated,
    TaskAssigned,
    TaskCompleted,
    TaskDeleted,
    ProjectCreated,
    ProjectUpdated,
    ProjectDeleted,
)
INTERNAL: tuple[type[Event], ...] = (UserCreated, WorkspaceCreated, MembershipCreated, MembershipUpdated)
PUBLIC_TYPES: tuple[str, ...] = tuple(event.type for event in PUBLIC)

__all__ = [
    "INTERNAL",
    "PUBLIC",
    "PUBLIC_TYPES",
    "Change",
    "CloudEvent",
    "Event",
    "MembershipCreated",
    "MembershipUpdated",
    "ProjectCreated",
    "ProjectDeleted",
    "ProjectUpdated",
    "TaskAssigned",
    "TaskCompleted",
    "TaskCreated",
    "TaskDeleted",
    "TaskUpdated",
    "UserCreated",
    "WorkspaceCreated",
    "changes_between",
]
