"""When and from where keys were last used, collected in memory and written every few seconds: no request writes for its reading."""

import asyncio
from datetime import datetime
from ipaddress import ip_address
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
        self._uses: dict[UUID, tuple[datetime, str | None]] = {}

    def note(self, key_id: UUID, address: str | None) -> None:
        """A key was used now, from that address as far as the server can tell."""
        self._uses[key_id] = (utc_now(), address)

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
                noted = {key_id: (at, _plain(address)) for key_id, (at, address) in sorted(uses.items())}
                await tx.execute(queries.note_uses(noted))
        except Exception as error:
            self._uses = uses | self._uses
            if not is_outage(error):
                raise
            log.warning("key uses not written", keys=len(uses), error=repr(error))


def _plain(address: str | None) -> str | None:
    """The address in its usual form; None for what is none: a proxy may write anything."""
    try:
        return str(ip_address((address or "").partition("%")[0]))
    except ValueError:
        return None
