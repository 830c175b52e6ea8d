"""Everything that can have happened. Public events go out as webhooks; internal ones never do."""

from flowtask_contracts.events.envelope import Change, CloudEvent, Event, changes_between
from flowtask_contracts.events.internal import (
    InvitationCreated,
    MembershipCreated,
    MembershipDeleted,
    MembershipUpdated,
    UserCreated,
    UserErased,
    UserUpdated,
    WorkspaceCreated,
    WorkspaceErased,
    WorkspaceUpdated,
)
from flowtask_contracts.events.projects import ProjectCreated, ProjectDeleted, ProjectUpdated
from flowtask_contracts.events.tasks import TaskAssigned, TaskCompleted, TaskCreated, TaskDeleted, TaskUpdated
from flowtask_contracts.events.webhooks import WebhookDisabled, WebhookFailing, WebhookRecovered

PUBLIC: tuple[type[Event], ...] = (
    TaskCreated,
    TaskUpdated,
    TaskAssigned,
    TaskCompleted,
    TaskDeleted,
    ProjectCreated,
    ProjectUpdated,
    ProjectDeleted,
    WebhookFailing,
    WebhookDisabled,
    WebhookRecovered,
)
INTERNAL: tuple[type[Event], ...] = (
    UserCreated,
    UserUpdated,
    UserErased,
    WorkspaceCreated,
    WorkspaceUpdated,
    WorkspaceErased,
    MembershipCreated,
    MembershipUpdated,
    MembershipDeleted,
    InvitationCreated,
)
PUBLIC_TYPES: tuple[str, ...] = tuple(event.type for event in PUBLIC)

__all__ = [
    "INTERNAL",
    "PUBLIC",
    "PUBLIC_TYPES",
    "Change",
    "CloudEvent",
    "Event",
    "InvitationCreated",
    "MembershipCreated",
    "MembershipDeleted",
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
    "UserErased",
    "UserUpdated",
    "WebhookDisabled",
    "WebhookFailing",
    "WebhookRecovered",
    "WorkspaceCreated",
    "WorkspaceErased",
    "WorkspaceUpdated",
    "changes_between",
]
