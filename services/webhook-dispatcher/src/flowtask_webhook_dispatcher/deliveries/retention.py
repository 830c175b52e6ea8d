"""History that is past its age goes with its partition, whole; what lies in a default partition goes row by row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from flowtask_kit import logs

from .locks import PATIENT, Connection, Patience, patiently
from .partitions import TABLES, bounds, days_of

log = logs.get(__name__)

CHUNK = 5000


@dataclass(frozen=True)
class Keep:
    """For how many days events and deliveries are kept, and attempts, which go no later than their deliveries."""

    days: int
    attempts_days: int

    def oldest(self, today: date) -> Mapping[str, date]:
        """The oldest day that is kept, by table."""
        days = {"attempts": min(self.attempts_days, self.days)}
        return {table: today - timedelta(days=days.get(table, self.days)) for table in TABLES}


async def drop_history(
    connection: Connection, today: date, keep: Keep, *, chunk: int = CHUNK, patience: Patience = PATIENT
) -> None:
    """Drop partitions that are past their age, unless a due row points into them.

    What blocks others at an ordered endpoint is skipped at that age, and what waits to be replayed expires. Attempts go before deliveries and deliveries before events, so that what is listed can be shown.
    """
    oldest_kept = bounds(keep.oldest(today)["deliveries"])[0]
    await connection.execute(_SKIP_OLD, oldest_kept)
    await connection.execute(_EXPIRE_REPLAYED, oldest_kept)
    for table in reversed(TABLES):
        oldest = keep.oldest(today)[table]
        for day in sorted(day for day in await days_of(connection, table) if day < oldest):
            if await connection.fetchval(_STILL_DUE, *bounds(day)):
                log.info("history kept beyond its age: something is still due", table=table, day=str(day))
            else:
                await patiently(connection, _Dropping(connection, table, day), patience)
        await _forget_by_default(connection, table, oldest, chunk)
    await connection.execute(_FORGET_REPLAYS, keep.oldest(today)["messages"])
    await connection.execute(_FORGET_ERASED, bounds(keep.oldest(today)["messages"])[0])


_SKIP_OLD = "DELETE FROM webhooks.due WHERE blocked_at IS NOT NULL AND event_id < $1"

_EXPIRE_REPLAYED = """
    WITH gone AS (
        DELETE FROM webhooks.due WHERE trigger = 'replay' AND lease_until <= now() AND event_id < $1
        RETURNING event_id, endpoint_id
    )
    UPDATE webhooks.deliveries d SET status = 'expired'
    FROM gone WHERE d.event_id = gone.event_id AND d.endpoint_id = gone.endpoint_id AND d.status = 'pending'
"""

_STILL_DUE = "SELECT EXISTS (SELECT FROM webhooks.due WHERE event_id >= $1 AND event_id < $2)"

_FORGET = """
    DELETE FROM webhooks.{table}_default WHERE ctid = ANY (ARRAY(
        SELECT old.ctid FROM webhooks.{table}_default old
        WHERE event_id < $1 AND NOT EXISTS (SELECT FROM webhooks.due d WHERE d.event_id = old.event_id)
        LIMIT $2
    ))
"""

_FORGET_REPLAYS = "DELETE FROM webhooks.replays WHERE finished_at < $1::date"

_FORGET_ERASED = "DELETE FROM webhooks.erased_events WHERE event_id < $1 AND finished_at IS NOT NULL"


class _Dropping:
    """Drops one partition, unless something is due."""

    def __init__(self, connection: Connection, table: str, day: date) -> None:
        self._connection = connection
        self._table = table
        self._day = day

    async def __call__(self) -> None:
        """The table is locked before its partition, as readers do.

        Whoever makes something of that day due has read the delivery first, and from here on nobody can. DETACH
        CONCURRENTLY, which would not have to lock the table, is not to be had beside a default partition.
        """
        name = f"{self._table}_p{self._day:%Y%m%d}"
        run = self._connection.execute
        await run(f"LOCK TABLE ONLY webhooks.{self._table} IN ACCESS EXCLUSIVE MODE")
        if await self._connection.fetchval(_STILL_DUE, *bounds(self._day)):
            return
        await run(f"DROP TABLE IF EXISTS webhooks.{name}")
        log.info("history dropped", partition=name)


async def _forget_by_default(connection: Connection, table: str, oldest: date, chunk: int) -> None:
    """Remove what came when its own partition was gone already, or never was: a few stray rows, by chunks."""
    while True:
        done = await connection.execute(_FORGET.format(table=table), bounds(oldest)[0], chunk)
        if done == "DELETE 0":
            return
