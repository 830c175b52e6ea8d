"""The loop that erases: what is to be done is in the tables, so any replica goes on where another died."""

from datetime import timedelta

from flowtask_kit import metrics
from flowtask_kit.database.engine import Database
from flowtask_kit.database.steps import oldest_seconds
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import job
from .models import Erasure


def late_after(request_seconds: float) -> timedelta:
    """How long after an erasure a request that was let in before it may still begin to write.

    Who calls is known first, and the request is cut when its time is over; a quarter more is for a process that is slow
    to notice.
    """
    return timedelta(seconds=1.25 * request_seconds)


def erasures(database: Database, wake: Wake, *, late: timedelta, poll: float, chunk: int = job.CHUNK) -> Worker:
    """Erases what people and workspaces leave, `chunk` rows at a time, and looks once more for what came `late`."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            metrics.ERASURE_OLDEST.set(await oldest_seconds(tx, Erasure))
            return await job.next_step(tx, late=late, chunk=chunk)

    return Worker("erasures", step, poll=poll)
