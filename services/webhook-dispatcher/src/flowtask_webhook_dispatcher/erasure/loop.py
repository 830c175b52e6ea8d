"""The loop that erases: what is to be done is in the tables, so any replica goes on where another died."""

from datetime import timedelta

from flowtask_kit import metrics
from flowtask_kit.database.engine import Database
from flowtask_kit.database.steps import oldest_seconds
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import service
from .models import Erasure

POLL_SECONDS = 1.0


def erasing(database: Database, wake: Wake, *, settle: timedelta, poll: float = POLL_SECONDS) -> Worker:
    """Erases what is held of workspaces; `settle` is how long an attempt under way may take to be recorded."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            metrics.ERASURE_OLDEST.set(await oldest_seconds(tx, Erasure, Erasure.finished_at.is_(None)))
            return await service.next_step(tx, settle=settle)

    return Worker("erasures", step, poll=poll)
