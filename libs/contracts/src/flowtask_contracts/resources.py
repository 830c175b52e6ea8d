"""The REST representations, which public events carry as their `data`."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

from flowtask_contracts.base import Contract, Instant


def _absent(value: Any) -> bool:
    return value is None


class TaskStatus(StrEnum):
    """Where a task stands."""

    TODO = "TODO"
    IN_PROGRESS = "IN_PROGRESS"
    DONE = "DONE"


class TaskPriority(StrEnum):
    """How urgent a task is."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    URGENT = "URGENT"


class ProjectRef(Contract):
    """The project of a task, as each task carries it."""

    id: UUID
    name: str = Field(examples=["Website relaunch"])


class PlainTask(Contract):
    """A task by itself: whatever happens to its project leaves it as it is."""

    id: UUID
    title: str = Field(examples=["Write the launch announcement"])
    description: str | None = Field(examples=["Two paragraphs, and a picture."])
    status: TaskStatus
    priority: TaskPriority = Field(examples=["HIGH"])
    due_date: Instant | None = Field(examples=["2026-12-01T17:00:00.000Z"])
    project_id: UUID | None
    assignee_id: UUID | None
    created_at: Instant
    updated_at: Instant
    completed_at: Instant | None = Field(examples=[None])


class Task(PlainTask):
    """A task as REST answers and events show it, with the name of its project."""

    project: ProjectRef | None


class Project(Contract):
    """A project as REST answers and events show it."""

    id: UUID
    name: str = Field(examples=["Website relaunch"])
    description: str | None = Field(examples=["Everything that has to be there on the first of December."])
    owner_id: UUID
    created_at: Instant
    updated_at: Instant


class WebhookStanding(Contract):
    """How a webhook stands, as its events tell it; without its URL, which may hold secrets.

    `hours` of `limitHours` is how long nothing but failures came of it, counted in hours in which FlowTask itself was there.
    """

    id: UUID
    description: str | None = Field(examples=["Tells the billing system"])
    active: bool = Field(strict=True, examples=[True])
    failing_since: Instant | None = Field(examples=["2026-11-22T10:00:00.000Z"])
    percent: int = Field(
        strict=True, description="50, 75 or 90 when it is failing, 100 once it is disabled.", examples=[50]
    )
    hours: int = Field(strict=True, examples=[60])
    limit_hours: int = Field(strict=True, examples=[120])
    disabled_at: Instant | None = Field(examples=[None])
    disabled_reason: str | None = Field(examples=[None])
    missed_since: Instant | None = Field(
        description="Since when it may have missed events: `/webhooks/{id}/recover` sends them.", examples=[None]
    )


class Role(StrEnum):
    """What a member may do: keys, webhooks, billing and members need admin."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class User(Contract):
    """A person; only internal events and the person's own answers carry the address, which is null while none is known.

    `time_zone` is an IANA name, `locale` a BCP 47 tag; events from before people could choose them have neither.
    """

    id: UUID
    email: str | None = Field(examples=["ada@example.com"])
    name: str = Field(examples=["Ada Lovelace"])
    created_at: Instant
    time_zone: str | None = Field(default=None, exclude_if=_absent)
    locale: str | None = Field(default=None, exclude_if=_absent)


class Workspace(Contract):
    """A tenant."""

    id: UUID
    name: str = Field(examples=["Analytical Engines"])
    personal: bool
    created_at: Instant


class Membership(Contract):
    """One person's place in one workspace."""

    workspace_id: UUID
    user_id: UUID
    role: Role


class Invitation(Contract):
    """A place in a workspace that waits for a person; what a mail to them is written from, its secret token included."""

    id: UUID
    workspace_id: UUID
    workspace_name: str
    email: str
    role: Role
    invited_by: UUID
    inviter_name: str
    token: str
    expires_at: Instant


class Erased(Contract):
    """What is gone for good: an id and nothing else."""

    id: UUID


class Plan(StrEnum):
    """What a workspace pays for."""

    FREE = "FREE"
    PRO = "PRO"
    ENTERPRISE = "ENTERPRISE"


class SubscriptionStatus(StrEnum):
    """Where a subscription stands, in Stripe's words (https://docs.stripe.com/api/subscriptions/object)."""

    ACTIVE = "active"
    TRIALING = "trialing"
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"


class Subscription(Contract):
    """The plan of a workspace; FREE is always active and has no period."""

    workspace_id: UUID
    plan: Plan
    status: SubscriptionStatus
    current_period_end: Instant | None = Field(examples=[None])
    cancel_at_period_end: bool
