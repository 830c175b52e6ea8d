"""What billing hears of workspaces."""

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.events import CloudEvent, WorkspaceCreated, WorkspaceErased
from flowtask_contracts.topology import BILLING_WORKSPACES
from flowtask_kit.bus.consumers import Consumers

from . import service


def register(consumers: Consumers) -> None:
    """Hear of workspaces that come and go."""
    consumers.on(BILLING_WORKSPACES, {WorkspaceCreated: workspace_created, WorkspaceErased: workspace_erased})


async def workspace_created(tx: AsyncSession, event: CloudEvent) -> None:
    """A workspace begins on FREE."""
    await service.begin(tx, event.workspaceid, at=event.time)


async def workspace_erased(tx: AsyncSession, event: CloudEvent) -> None:
    """Nothing is known of a workspace that is gone."""
    await service.erase(tx, event.workspaceid)
