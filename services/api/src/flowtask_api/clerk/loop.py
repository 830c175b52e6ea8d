"""The loop that forgets who was erased, when no token from before counts any more."""

from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import service

POLL_SECONDS = 600.0


def forgetting_erased(database: Database, wake: Wake, *, poll: float = POLL_SECONDS) -> Worker:
    """Removes what was remembered for long enough."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            return await service.forget(tx)

    return Worker("erased-clerk-ids", step, poll=poll)
