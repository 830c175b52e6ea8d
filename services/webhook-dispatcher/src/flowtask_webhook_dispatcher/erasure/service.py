"""Hearing that a workspace is erased, and erasing it step by step."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.steps import next_work, take_step
from flowtask_kit.ids import utc_now

from ..endpoints.models import Endpoint
from ..endpoints.queries import hold
from ..endpoints.revisions import hold_workspace, next_revision
from . import queries
from .models import Erasure

CHUNK = 1000


async def begin(tx: AsyncSession, workspace_id: UUID) -> None:
    """End the workspace's subscriptions: from the commit on nothing is sent; what is held of it follows."""
    await hold_workspace(tx, workspace_id)
    await tx.execute(hold(Endpoint.workspace_id == workspace_id))
    revision, now = await next_revision(tx), utc_now()
    await tx.execute(queries.begin(workspace_id, revision, now))
    await tx.execute(queries.end_endpoints(workspace_id, revision, now))


async def next_step(tx: AsyncSession, *, settle: timedelta, chunk: int = CHUNK) -> bool:
    """Remove a chunk of one workspace; False when none is due.

    When nothing is left it is looked at once more after `settle`, when no attempt that was under way can be recorded any
    more; then it is done.
    """
    erasure = await tx.scalar(next_work(Erasure, utc_now(), Erasure.finished_at.is_(None)))
    if erasure is None:
        return False
    endpoint_ids = list((await tx.scalars(queries.endpoints(erasure.workspace_id))).all())
    some = partial(_some, tx, erasure, endpoint_ids, chunk)
    await take_step(tx, erasure, some=some, finish=partial(_finish, tx, erasure, endpoint_ids), late=settle)
    crashpoint("dispatcher.erasing")
    return True


async def _some(tx: AsyncSession, erasure: Erasure, endpoint_ids: list[UUID], chunk: int) -> bool:
    for statement in queries.remove_some(erasure.workspace_id, endpoint_ids, chunk):
        done: Any = await tx.execute(statement)
        if done.rowcount:
            return True
    return False


async def _finish(tx: AsyncSession, erasure: Erasure, endpoint_ids: list[UUID]) -> None:
    for statement in queries.remove_rest(erasure.workspace_id, endpoint_ids):
        await tx.execute(statement, execution_options={"synchronize_session": False})
    erasure.finished_at = utc_now()
