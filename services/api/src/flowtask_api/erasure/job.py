"""One step of what follows: a chunk of rows, or in the end the event; each in one transaction."""

from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.bus.forgetting import forget_messages
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.quiet import database_clock, quiet_since
from flowtask_kit.ids import utc_now

from ..database import FailedMessage, Outbox
from ..idempotency import queries as answers
from ..idempotency.service import digest_of
from . import queries
from .models import Erasure, Kind
from .places import OF_WORKSPACE

CHUNK = 500
AGAIN_AFTER = timedelta(seconds=0.5)
"""When work that has to wait for something is looked at again."""


async def next_step(tx: AsyncSession, *, chunk: int = CHUNK) -> bool:
    """Go on with one erasure; False when none is due."""
    erasure = await tx.scalar(queries.next_erasure(utc_now()))
    if erasure is None:
        return False
    due_at = erasure.due_at
    if await _may_begin(tx, erasure) and not await _some(tx, erasure, chunk):
        await _finish(tx, erasure)
    elif erasure.due_at == due_at:
        erasure.due_at = utc_now()  # behind the others, so that a large one holds nobody up
    crashpoint("erasure.before-commit")
    return True


async def _finish(tx: AsyncSession, erasure: Erasure) -> None:
    """Tell the other services, and forget that there was work."""
    event = erasure.done(at=utc_now())
    if event is not None:
        tx.add(Outbox.of(event))
    await tx.delete(erasure)
    await tx.flush()


async def _may_begin(tx: AsyncSession, erasure: Erasure) -> bool:
    """False while a request that was let in before may still write; the work is then looked at again soon."""
    if erasure.seen_at is None:
        erasure.seen_at = await database_clock(tx)
    elif erasure.quiet or await quiet_since(tx, erasure.seen_at):
        erasure.quiet = True
        return True
    else:
        erasure.due_at = utc_now() + AGAIN_AFTER
    return False


async def _some(tx: AsyncSession, erasure: Erasure, chunk: int) -> bool:
    """Do some of the work; False when there was none left."""
    match erasure.kind:
        case Kind.WORKSPACE:
            return await _rows_of_workspace(tx, erasure, chunk)
        case Kind.DEPARTURE:
            return await _open_tasks(tx, erasure, chunk)
        case Kind.USER:
            return await _rest_of_person(tx, erasure)


async def _rows_of_workspace(tx: AsyncSession, erasure: Erasure, chunk: int) -> bool:
    """Remove a chunk of the first table that has any; no events, for whoever would hear them is erased as well."""
    for place in OF_WORKSPACE:
        done: Any = await tx.execute(queries.remove_some(place, erasure.workspace_id, chunk))
        if done.rowcount:
            return True
    await tx.execute(answers.forget_about(digest_of(str(erasure.workspace_id))))
    await tx.execute(forget_messages(FailedMessage, str(erasure.workspace_id)))
    return False


async def _open_tasks(tx: AsyncSession, erasure: Erasure, chunk: int) -> bool:
    """Take a chunk of open tasks off somebody who left, each with its events."""
    assert erasure.user_id is not None
    tasks = (await tx.scalars(queries.open_tasks(erasure.workspace_id, erasure.user_id, chunk))).all()
    now = utc_now()
    for task in tasks:
        tx.add_all(Outbox.of(event) for event in task.change({"assignee_id": None}, actor=erasure.actor, at=now))
    return bool(tasks)


async def _rest_of_person(tx: AsyncSession, erasure: Erasure) -> bool:
    """Remove what a last request of the person may have left; True while their places are still being cleared up."""
    if await tx.scalar(queries.waits_for_others(erasure)):
        erasure.due_at = utc_now() + AGAIN_AFTER
        return True
    if erasure.about is not None:
        await tx.execute(answers.forget_about(erasure.about))
    await tx.execute(forget_messages(FailedMessage, str(erasure.user_id), only="internal."))
    return False
