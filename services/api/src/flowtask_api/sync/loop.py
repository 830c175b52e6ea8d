"""The loop that forgets deletions which are told no more."""

from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import service

POLL_SECONDS = 3600.0


def burying(database: Database, wake: Wake, *, poll: float = POLL_SECONDS) -> Worker:
    """Removes tombstones that are older than any token that still counts."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            return await service.forget(tx)

    return Worker("tombstones", step, poll=poll)
