"""Daily partitions of the history, made ahead; rows that came before their partition move into it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from flowtask_kit import logs

from .identity import first_id_of
from .locks import Connection, patiently

log = logs.get(__name__)

TABLES = ("messages", "deliveries", "attempts")
DAYS_AHEAD = 7
MOVED_MOST = 50_000
"""Rows of one day that are moved out of a default partition: so many take a second or so, in which it is locked."""

_NOTHING_OLD: Mapping[str, date] = {}


class DefaultPartitionIsFull(Exception):
    """More rows of one day lie in a default partition than may be moved while others wait; docs/operating.md says more."""


def names_of(day: date) -> list[tuple[str, str]]:
    """The partitions of a day, with their tables."""
    return [(f"{table}_p{day:%Y%m%d}", table) for table in TABLES]


def create_statements(day: date) -> list[str]:
    """DDL that makes a day's partitions where they are missing; ids of that UTC day belong there."""
    first, after = bounds(day)
    return [
        f"CREATE TABLE IF NOT EXISTS webhooks.{name} PARTITION OF webhooks.{table}"
        f" FOR VALUES FROM ('{first}') TO ('{after}')"
        for name, table in names_of(day)
    ]


async def keep_partitions(
    connection: Connection, today: date, oldest: Mapping[str, date] = _NOTHING_OLD, *, most: int = MOVED_MOST
) -> None:
    """Make the partitions from yesterday to a week ahead, and of days since `oldest` whose rows lie in a default one.

    Any number of replicas may do so at once. Raises DefaultPartitionIsFull, when all others are made, for days that are
    left in a default partition, for they have more rows there than `most`: these are found and come there as before.
    """
    full: list[str] = []
    for table in TABLES:
        there = await days_of(connection, table)
        last = today + timedelta(days=DAYS_AHEAD)
        wanted = {today + timedelta(days=offset) for offset in range(-1, DAYS_AHEAD + 1)}
        wanted |= await _days_by_default(connection, table, min(oldest.get(table, today), today), last)
        missing = sorted(wanted - there)
        full += [
            f"{table} {day}"
            for day in missing
            if not await patiently(connection, _Making(connection, table, day, most))
        ]
    if full:
        raise DefaultPartitionIsFull(", ".join(full))


def bounds(day: date) -> tuple[UUID, UUID]:
    """The first id of a UTC day, and the first one after it."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return first_id_of(begin), first_id_of(begin + timedelta(days=1))


async def days_of(connection: Connection, table: str) -> set[date]:
    """The days that have a partition of their own."""
    rows = await connection.fetch(
        r"""
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass($1) AND c.relname ~ '_p\d{8}$'
        """,
        f"webhooks.{table}",
    )
    return {datetime.strptime(row["relname"][-8:], "%Y%m%d").replace(tzinfo=UTC).date() for row in rows}


async def _days_by_default(connection: Connection, table: str, first: date, last: date) -> set[date]:
    """Days from `first` to `last` of which rows lie in the default partition; looks into its index once a day found."""
    days: set[date] = set()
    begin, end = bounds(first)[0], bounds(last)[1]
    while True:
        found: UUID | None = await connection.fetchval(
            f"SELECT event_id FROM webhooks.{table}_default WHERE event_id >= $1 AND event_id < $2"  # noqa: S608
            " ORDER BY event_id LIMIT 1",
            begin,
            end,
        )
        if found is None:
            return days
        day = datetime.fromtimestamp((found.int >> 80) / 1000, tz=UTC).date()
        days.add(day)
        begin = bounds(day)[1]


class _Making:
    """Makes one partition; what it gives is whether it is there now."""

    def __init__(self, connection: Connection, table: str, day: date, most: int) -> None:
        self._connection = connection
        self._table = table
        self._name = f"{table}_p{day:%Y%m%d}"
        self._bounds = bounds(day)
        self._most = most

    async def __call__(self) -> bool:
        """Attached rather than created in place: readers and writers of the other days are not held up."""
        run, (first, after) = self._connection.execute, self._bounds
        if await self._connection.fetchval("SELECT to_regclass($1)", f"webhooks.{self._name}") is not None:
            return True
        await run(f"CREATE TABLE webhooks.{self._name} (LIKE webhooks.{self._table} INCLUDING ALL)")
        await run(f"LOCK TABLE webhooks.{self._table}_default IN ACCESS EXCLUSIVE MODE")
        if not await self._move():
            log.error("default partition is too full to make the day its own", partition=self._name)
            await run(f"DROP TABLE webhooks.{self._name}")
            return False
        await run(
            f"ALTER TABLE webhooks.{self._table} ATTACH PARTITION webhooks.{self._name}"
            f" FOR VALUES FROM ('{first}') TO ('{after}')"
        )
        return True

    async def _move(self) -> bool:
        """Take the day's rows out of the default partition; False when there are too many."""
        among = f"FROM webhooks.{self._table}_default WHERE event_id >= $1 AND event_id < $2"
        count = await self._connection.fetchval(
            f"SELECT count(*) FROM (SELECT {among} LIMIT {self._most + 1}) AS found",  # noqa: S608
            *self._bounds,
        )
        if count > self._most:
            return False
        if count:
            await self._connection.execute(
                f"WITH early AS (DELETE {among} RETURNING *) INSERT INTO webhooks.{self._name} SELECT * FROM early",  # noqa: S608
                *self._bounds,
            )
            log.info("rows moved out of the default partition", partition=self._name, rows=count)
        return True
