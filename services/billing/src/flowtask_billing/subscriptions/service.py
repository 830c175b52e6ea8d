"""Beginning, showing and erasing subscriptions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts import resources
from flowtask_kit.bus.forgetting import forget_commands, forget_messages
from flowtask_kit.ids import utc_now

from ..database import CommandRecord, FailedMessage
from . import queries
from .models import Subscription


async def begin(tx: AsyncSession, workspace_id: UUID, *, at: datetime) -> None:
    """Put a new workspace on FREE; one that has a subscription keeps it, and one that is erased gets none."""
    await tx.execute(queries.alone_with(workspace_id))
    if await tx.scalar(queries.is_erased(workspace_id)) is not None:
        return
    free = Subscription.free(workspace_id, at=at)
    values = {column.key: getattr(free, column.key) for column in Subscription.__table__.columns}
    await tx.execute(insert(Subscription).values(values).on_conflict_do_nothing())


async def erase(tx: AsyncSession, workspace_id: UUID) -> None:
    """Remove what is known of a workspace, for good: there is no invoice yet that must be kept."""
    await tx.execute(queries.alone_with(workspace_id))
    await tx.execute(queries.note_erased(workspace_id, utc_now()))
    await tx.execute(queries.remove(workspace_id))
    await tx.execute(forget_commands(CommandRecord, workspace_id))
    await tx.execute(forget_messages(FailedMessage, str(workspace_id)))


async def get(tx: AsyncSession, workspace_id: UUID) -> resources.Subscription:
    """The workspace's subscription; FREE also while the news of the workspace has not arrived."""
    found = await tx.scalar(queries.subscription(workspace_id))
    return (found or Subscription.free(workspace_id, at=utc_now())).resource()
