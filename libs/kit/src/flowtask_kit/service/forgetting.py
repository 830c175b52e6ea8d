"""The loop that forgets replies which need not be given again."""

from typing import Any

from flowtask_kit.bus.forgetting import CHUNK, forget_replies
from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.service.worker import Worker

POLL_SECONDS = 600.0


def forgetting(database: Database, wake: Wake, schema: str, *, poll: float = POLL_SECONDS) -> Worker:
    """Removes the replies of commands that can no longer be repeated, a chunk in each transaction."""
    statement = forget_replies(schema)

    async def step() -> bool:
        async with transaction(database, wake) as tx:
            done: Any = await tx.execute(statement)
            return int(done.rowcount) == CHUNK

    return Worker("command-records", step, poll=poll)
