"""Filling a projection that is new or lost from its owner's snapshot, page by page; a crash goes on where it stopped."""

from flowtask_contracts.commands import Snapshot
from flowtask_contracts.commands.api import SnapshotPage
from flowtask_contracts.errors import ValidationFailed
from flowtask_kit import logs
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.transaction import transaction
from flowtask_kit.service.resources import Resources
from flowtask_kit.service.worker import Worker

from . import queries, service

log = logs.get(__name__)

POLL_SECONDS = 1.0


class Filling:
    """Reads the snapshot while it is wanted. Two replicas may read the same page; one of them notes it."""

    def __init__(self, resources: Resources, *, limit: int = 500) -> None:
        self._resources = resources
        self._limit = limit
        self.worker = Worker("recipients", self.step, poll=POLL_SECONDS)

    async def step(self) -> bool:
        """Take one page; False when nothing is wanted. No transaction is open while the owner answers."""
        async with transaction(self._resources.database, self._resources.wake) as tx:
            found = await tx.scalar(queries.projection())
            if found is None:
                await tx.execute(queries.begin())
            elif found.filled_at is not None:
                return False
            cursor = None if found is None else found.cursor
        try:
            page = await self._resources.commands.ask(Snapshot(cursor=cursor, limit=self._limit), SnapshotPage)
        except ValidationFailed:
            if cursor is None:
                raise
            await self._begin_anew(cursor)
            return True
        async with transaction(self._resources.database, self._resources.wake) as tx:
            await service.learn_page(tx, page, cursor)
        crashpoint("mailer.after-page")
        if page.next_cursor is None:
            log.info("recipients are known")
        return True

    async def _begin_anew(self, cursor: str) -> None:
        """The owner's next version may have other cursors."""
        log.warning("the snapshot begins anew: its owner does not know our cursor")
        async with transaction(self._resources.database, self._resources.wake) as tx:
            await tx.execute(queries.advance(cursor, None, filled_at=None))
