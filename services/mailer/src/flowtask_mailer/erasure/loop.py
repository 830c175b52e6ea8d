"""The loop that erases: what is to be done is in the tables, so any replica goes on where another died."""

from flowtask_kit import metrics
from flowtask_kit.database.engine import Database
from flowtask_kit.database.steps import oldest_seconds
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import service
from .models import Erasure

POLL_SECONDS = 1.0


def erasing(database: Database, wake: Wake, *, poll: float = POLL_SECONDS, chunk: int = service.CHUNK) -> Worker:
    """Erases mails of people and workspaces, `chunk` at a time."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            metrics.ERASURE_OLDEST.set(await oldest_seconds(tx, Erasure))
            return await service.next_step(tx, chunk=chunk)

    return Worker("erasures", step, poll=poll)
