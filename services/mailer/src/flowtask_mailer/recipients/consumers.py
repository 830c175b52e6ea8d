"""What the mailer hears of people and tenants."""

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.api import KnownMembership, KnownUser, KnownWorkspace
from flowtask_contracts.events import CloudEvent, MembershipCreated, MembershipUpdated, UserCreated, WorkspaceCreated
from flowtask_contracts.topology import MAILER_PEOPLE
from flowtask_kit.bus.consumers import Consumers

from . import service


def register(consumers: Consumers) -> None:
    """Hear of people, tenants and who belongs where."""
    consumers.on(
        MAILER_PEOPLE,
        {
            UserCreated: user_changed,
            WorkspaceCreated: workspace_changed,
            MembershipCreated: membership_changed,
            MembershipUpdated: membership_changed,
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


def _with_version(event: CloudEvent) -> dict[str, JsonValue]:
    return {**event.data, "version": event.aggregateversion}
