"""The loop that erases: what is to be done is in the tables, so any replica goes on where another died."""

from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

from . import job


def erasures(database: Database, wake: Wake, *, poll: float, chunk: int = job.CHUNK) -> Worker:
    """Erases what people and workspaces leave, `chunk` rows at a time."""

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            return await job.next_step(tx, chunk=chunk)

    return Worker("erasures", step, poll=poll)
