"""What the mailer hears of people and tenants."""

from collections.abc import Mapping

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.api import KnownMembership, KnownUser, KnownWorkspace
from flowtask_contracts.events import (
    CloudEvent,
    Event,
    MembershipCreated,
    MembershipDeleted,
    MembershipUpdated,
    UserCreated,
    UserUpdated,
    WorkspaceCreated,
    WorkspaceUpdated,
)
from flowtask_contracts.resources import Membership
from flowtask_contracts.topology import MAILER_PEOPLE
from flowtask_kit.bus.consumers import Consumers, Handler

from . import service


def register(consumers: Consumers, erasing: Mapping[type[Event], Handler]) -> None:
    """Hear of people, tenants and who belongs where; `erasing` is what is done when they are erased."""
    consumers.on(
        MAILER_PEOPLE,
        {
            UserCreated: user_changed,
            UserUpdated: user_changed,
            WorkspaceCreated: workspace_changed,
            WorkspaceUpdated: workspace_changed,
            MembershipCreated: membership_changed,
            MembershipUpdated: membership_changed,
            MembershipDeleted: membership_deleted,
            **erasing,
        },
    )


async def user_changed(tx: AsyncSession, event: CloudEvent) -> None:
    """A person is known, or better known."""
    await service.learn(tx, users=[KnownUser.model_validate(_with_version(event))])


async def workspace_changed(tx: AsyncSession, event: CloudEvent) -> None:
    """A tenant is known, or better known."""
    await service.learn(tx, workspaces=[KnownWorkspace.model_validate(_with_version(event))])


async def membership_changed(tx: AsyncSession, event: CloudEvent) -> None:
    """A person has a place in a workspace."""
    await service.learn(tx, memberships=[KnownMembership.model_validate(_with_version(event))])


async def membership_deleted(tx: AsyncSession, event: CloudEvent) -> None:
    """A person has no place in a workspace any more."""
    place = Membership.model_validate(event.data)
    await service.leave(tx, place.workspace_id, place.user_id, version=event.aggregateversion)


def _with_version(event: CloudEvent) -> dict[str, JsonValue]:
    return {**event.data, "version": event.aggregateversion}
