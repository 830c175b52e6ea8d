"""How many tests may be sent: few enough that nobody is hurt who did not ask for them."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import RateLimited
from flowtask_kit.ids import new_id

from . import queries
from .models import Trial

WINDOW = timedelta(minutes=1)
MOST_OF_A_WORKSPACE = 10
MOST_TO_A_HOST = 30
"""Of all workspaces together."""


async def count(tx: AsyncSession, workspace_id: UUID, host: str, now: datetime) -> None:
    """Count one more test, of a workspace to a host, on all replicas alike; RateLimited when there were too many lately."""
    since = now - WINDOW
    for what, which, most in (
        (workspace_id, Trial.workspace_id == workspace_id, MOST_OF_A_WORKSPACE),
        (host, Trial.host == host, MOST_TO_A_HOST),
    ):
        await tx.execute(queries.hold(what))
        number, first = (await tx.execute(queries.lately(which, since))).one()
        if number >= most:
            wait = max(1, round((first - since).total_seconds() + 0.5))
            raise RateLimited("Too many test webhooks. Please wait a moment and try again.", retry_after=wait)
    await tx.execute(queries.forget(since))
    tx.add(Trial(id=new_id(), workspace_id=workspace_id, host=host, at=now))
