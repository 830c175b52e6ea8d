"""The loop that tells of endpoints that were disabled, or work again."""

from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import service

POLL_SECONDS = 2.0


def telling(database: Database, wake: Wake, *, limit: int) -> Worker:
    """Tells of each once: the event and the note that it was told are one transaction."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            return await service.next_news(tx, limit)

    return Worker("standings", step, poll=POLL_SECONDS)
