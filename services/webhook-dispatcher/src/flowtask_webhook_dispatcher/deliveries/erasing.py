"""Looking once more at an event that was erased: a transaction that had begun before may have brought something back."""

from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.database.engine import Database
from flowtask_kit.database.steps import next_work, take_step
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import utc_now
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from ..erasure.models import ErasedEvent
from . import queries

POLL_SECONDS = 1.0


def erasing_events(database: Database, wake: Wake) -> Worker:
    """Finishes what an erasure has begun, as soon as every transaction that did not know of it has ended."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            return await next_step(tx)

    return Worker("erased-events", step, poll=POLL_SECONDS)


async def next_step(tx: AsyncSession) -> bool:
    """Look at one erased event again; False when none is due."""
    erased = await tx.scalar(next_work(ErasedEvent, utc_now(), ErasedEvent.finished_at.is_(None)))
    if erased is None:
        return False
    await take_step(tx, erased, some=partial(forget, tx, erased.event_id), finish=partial(_finish, erased))
    return True


async def forget(tx: AsyncSession, event_id: UUID) -> bool:
    """Remove what was sent and answered of an event, and what is due of it; whether there was any."""
    some = False
    for statement in (queries.erase_attempts(event_id), queries.nothing_due(event_id), queries.cancelled(event_id)):
        done: Any = await tx.execute(statement, execution_options={"synchronize_session": False})
        some |= done.rowcount > 0
    return some


async def _finish(erased: ErasedEvent) -> None:
    erased.finished_at = utc_now()
