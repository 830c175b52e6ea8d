"""Hearing that a workspace is erased, and erasing it step by step."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.quiet import quiet_since
from flowtask_kit.ids import utc_now

from ..endpoints.queries import next_revision
from . import queries
from .models import Erasure

CHUNK = 1000
AGAIN_AFTER = timedelta(seconds=1)


async def begin(tx: AsyncSession, workspace_id: UUID) -> None:
    """End the workspace's subscriptions: from the commit on nothing is sent; what is held of it follows."""
    revision, now = await tx.scalar(next_revision()), utc_now()
    assert revision is not None
    await tx.execute(queries.begin(workspace_id, revision, now))
    await tx.execute(queries.end_endpoints(workspace_id, revision, now))


async def next_step(tx: AsyncSession, *, settle: timedelta, chunk: int = CHUNK) -> bool:
    """Remove a chunk of one workspace; False when none is due.

    When nothing is left it is looked at once more after `settle`, when no attempt that was under way can be recorded any
    more; then it is done.
    """
    erasure = await tx.scalar(queries.next_erasure(utc_now()))
    if erasure is None:
        return False
    endpoint_ids = list((await tx.scalars(queries.endpoints(erasure.workspace_id))).all())
    if await _some(tx, erasure, endpoint_ids, chunk):
        erasure.due_at = utc_now()  # behind the others, so that a large one holds nobody up
    elif not erasure.wait_for(settle):
        await _finish(tx, erasure, endpoint_ids)
    crashpoint("dispatcher.erasing")
    return True


async def _some(tx: AsyncSession, erasure: Erasure, endpoint_ids: list[UUID], chunk: int) -> bool:
    for statement in queries.remove_some(erasure.workspace_id, endpoint_ids, chunk):
        done: Any = await tx.execute(statement)
        if done.rowcount:
            return True
    return False


async def _finish(tx: AsyncSession, erasure: Erasure, endpoint_ids: list[UUID]) -> None:
    """Remove the rest, unless a transaction is open that may still write down what it saw before."""
    if not await quiet_since(tx, erasure.due_at):
        erasure.due_at = utc_now() + AGAIN_AFTER
        return
    for statement in queries.remove_rest(erasure.workspace_id, endpoint_ids):
        await tx.execute(statement, execution_options={"synchronize_session": False})
    erasure.finished_at = utc_now()
