"""The loop that finishes deletions: what is to be done is in the tables, so any replica goes on where another died."""

from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import service


def deletions(database: Database, wake: Wake, *, poll: float, chunk: int = service.CHUNK) -> Worker:
    """Deletes what hidden projects leave, `chunk` tasks at a time."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            return await service.next_step(tx, chunk=chunk)

    return Worker("deletions", step, poll=poll)
