"""Work that lies in tables: done step by step by any replica, as soon as it is there."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import ServiceUnavailable
from flowtask_kit import logs
from flowtask_kit.outages import is_outage

log = logs.get(__name__)


class Worker:
    """Takes steps while there is something to do, then waits until it is woken, `poll` seconds at most.

    A step returns False when it found nothing to do. An outage of ours, another service of ours included, is waited
    out; every other error is the caller's.
    """

    def __init__(self, name: str, step: Callable[[], Awaitable[bool]], *, poll: float) -> None:
        self.name = name
        self._step = step
        self._poll = poll
        self._flag = asyncio.Event()

    def wake(self) -> None:
        """Look for work now."""
        self._flag.set()

    def wake_after(self, tx: AsyncSession) -> None:
        """Look for work when this transaction has committed."""
        event.listen(tx.sync_session, "after_commit", lambda _session: self._flag.set(), once=True)

    async def run(self) -> None:
        """Work for ever."""
        while True:
            self._flag.clear()
            try:
                while await self._step():
                    pass
            except ServiceUnavailable:
                log.info("work waits for another service", worker=self.name)
                await asyncio.sleep(self._poll)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("work waits for an outage to end", worker=self.name, error=repr(error))
                await asyncio.sleep(self._poll)
            try:
                async with asyncio.timeout(self._poll):
                    await self._flag.wait()
            except TimeoutError:
                continue
