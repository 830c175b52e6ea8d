"""What the dispatcher hears of workspaces."""

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.events import CloudEvent, WorkspaceErased
from flowtask_contracts.topology import DISPATCHER_ERASURES
from flowtask_kit.bus.consumers import Consumers
from flowtask_kit.service.worker import Worker

from . import service


def register(consumers: Consumers, erasing: Worker) -> None:
    """Hear that workspaces are erased. Of a person nothing is held here but ids in workspaces that stay."""

    async def workspace_erased(tx: AsyncSession, event: CloudEvent) -> None:
        await service.begin(tx, event.workspaceid)
        erasing.wake_after(tx)

    consumers.on(DISPATCHER_ERASURES, {WorkspaceErased: workspace_erased})
