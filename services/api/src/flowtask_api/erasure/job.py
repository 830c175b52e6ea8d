"""One step of what follows: a chunk of rows, or in the end the event; each in one transaction."""

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.bus.forgetting import forget_messages
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.steps import next_work, take_step
from flowtask_kit.ids import utc_now

from ..database import FailedMessage, Outbox
from ..idempotency import queries as answers
from ..idempotency.service import digest_of
from . import queries
from .models import Erasure, Kind
from .places import OF_WORKSPACE

CHUNK = 500


async def next_step(tx: AsyncSession, *, late: timedelta, chunk: int = CHUNK) -> bool:
    """Go on with one erasure; False when none is due. None is told as done before what may come `late` is gone too."""
    erasure = await tx.scalar(next_work(Erasure, utc_now()))
    if erasure is None:
        return False
    some, finish = partial(_some, tx, erasure, chunk), partial(_finish, tx, erasure)
    await take_step(tx, erasure, some=some, finish=finish, late=late)
    crashpoint("erasure.before-commit")
    return True


async def _finish(tx: AsyncSession, erasure: Erasure) -> None:
    """Tell the other services, and forget that there was work."""
    event = erasure.done(at=utc_now())
    if event is not None:
        tx.add(Outbox.of(event))
    await tx.delete(erasure)
    await tx.flush()


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
        erasure.wait()
        return True
    for about in (digest_of(str(erasure.user_id)), erasure.about):
        if about is not None:
            await tx.execute(answers.forget_about(about))
    await tx.execute(forget_messages(FailedMessage, str(erasure.user_id), only="internal."))
    return False
