"""The loop that works on replays: what is to be done is in the tables, so any replica goes on where another died."""

import asyncio
from collections.abc import Callable

from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import walking
from .pauses import Pauses

POLL_SECONDS = 1.0


def replaying(database: Database, wake: Wake, due: Callable[[], None], *, keep_days: int) -> Worker:
    """Takes the steps of replays; `due` tells the loop that sends what is due."""
    pauses = Pauses()

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            pause = await walking.next_step(tx, pauses, keep_days)
        if pause is None:
            return False
        due()
        asyncio.get_running_loop().call_later(pause.total_seconds(), worker.wake)
        return True

    worker = Worker("replays", step, poll=POLL_SECONDS)
    return worker
