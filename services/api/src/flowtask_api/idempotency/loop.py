"""The loop that forgets answers which no longer count."""

from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import service

POLL_SECONDS = 600.0


def forgetting(database: Database, wake: Wake, *, poll: float = POLL_SECONDS) -> Worker:
    """Removes what was kept for longer than a day."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            return await service.forget(tx)

    return Worker("idempotency-keys", step, poll=poll)
