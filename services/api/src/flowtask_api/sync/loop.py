"""The loop that keeps what syncs read in order."""

from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import renumbering, service

POLL_SECONDS = 3600.0


def burying(database: Database, wake: Wake, *, poll: float = POLL_SECONDS) -> Worker:
    """Renumbers what was restored, and removes tombstones that are older than any token that still counts."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            return await renumbering.go_on(tx) or await service.forget(tx)

    return Worker("tombstones", step, poll=poll)
