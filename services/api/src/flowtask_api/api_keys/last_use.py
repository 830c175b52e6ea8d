"""When keys were last used, collected in memory and written every few seconds: no request writes for its reading."""

import asyncio
from datetime import datetime
from uuid import UUID

from flowtask_kit import logs
from flowtask_kit.database.engine import Database
from flowtask_kit.ids import utc_now
from flowtask_kit.outages import is_outage

from . import queries

log = logs.get(__name__)


class LastUse:
    """Notes uses and writes them down; what could not be written is kept for the next time."""

    def __init__(self, database: Database, *, every: float) -> None:
        self._database = database
        self._every = every
        self._uses: dict[UUID, datetime] = {}

    def note(self, key_id: UUID) -> None:
        """A key was used now."""
        self._uses[key_id] = utc_now()

    async def run(self) -> None:
        """Write every `every` seconds, for ever."""
        while True:
            await asyncio.sleep(self._every)
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted, in one statement; an outage of the database is waited out."""
        if not self._uses:
            return
        uses, self._uses = self._uses, {}
        try:
            async with self._database.sessions.begin() as tx:
                await tx.execute(queries.note_uses(dict(sorted(uses.items()))))
        except Exception as error:
            self._uses = uses | self._uses
            if not is_outage(error):
                raise
            log.warning("key uses not written", keys=len(uses), error=repr(error))
