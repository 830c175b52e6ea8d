"""The loop that forgets invitations which are out of date, and the addresses with them."""

from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import service

POLL_SECONDS = 600.0


def expiring(database: Database, wake: Wake, *, poll: float = POLL_SECONDS) -> Worker:
    """Removes invitations whose time is over."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            return await service.forget(tx)

    return Worker("invitations", step, poll=poll)
