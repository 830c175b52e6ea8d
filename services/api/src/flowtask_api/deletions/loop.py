"""The loop that finishes deletions: what is to be done is in the tables, so any replica goes on where another died."""

import asyncio

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit import logs
from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outages import is_outage
from flowtask_kit.outbox.wake import Wake

from . import service

log = logs.get(__name__)


class Deletions:
    """Deletes what hidden projects leave, as soon as it is woken and every `poll` seconds."""

    def __init__(self, database: Database, wake: Wake, *, poll: float, chunk: int = service.CHUNK) -> None:
        self._database = database
        self._wake = wake
        self._poll = poll
        self._chunk = chunk
        self._flag = asyncio.Event()

    def wake_after(self, tx: AsyncSession) -> None:
        """Look for work when this transaction has committed."""
        event.listen(tx.sync_session, "after_commit", lambda _session: self._flag.set(), once=True)

    async def run(self) -> None:
        """Finish deletions for ever; an outage of the database is waited out."""
        while True:
            self._flag.clear()
            try:
                while await self._step():
                    pass
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("deletions wait for the database", error=repr(error))
                await asyncio.sleep(self._poll)
            try:
                async with asyncio.timeout(self._poll):
                    await self._flag.wait()
            except TimeoutError:
                continue

    async def _step(self) -> bool:
        async with transaction(self._database, self._wake) as tx:
            return await service.next_step(tx, chunk=self._chunk)
