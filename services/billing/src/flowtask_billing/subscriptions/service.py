"""Beginning and showing subscriptions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts import resources
from flowtask_kit.ids import utc_now

from . import queries
from .models import Subscription


async def begin(tx: AsyncSession, workspace_id: UUID, *, at: datetime) -> None:
    """Put a new workspace on FREE; one that has a subscription keeps it."""
    free = Subscription.free(workspace_id, at=at)
    values = {column.key: getattr(free, column.key) for column in Subscription.__table__.columns}
    await tx.execute(insert(Subscription).values(values).on_conflict_do_nothing())


async def get(tx: AsyncSession, workspace_id: UUID) -> resources.Subscription:
    """The workspace's subscription; FREE also while the news of the workspace has not arrived."""
    found = await tx.scalar(queries.subscription(workspace_id))
    return (found or Subscription.free(workspace_id, at=utc_now())).resource()
