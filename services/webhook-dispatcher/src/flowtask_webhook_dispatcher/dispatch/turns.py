"""Whose turn it is at endpoints that are sent to in order.

The database decides: a row is claimed once, when it stands first among those of its key and of its group, and every message
before it is a row (`order_statements.TURN`). What is remembered here only says where to look: at the keys of what has arrived, of
what has ended, and every few seconds at all of them, for rows also go in other ways than by an attempt of this process.
"""

import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from flowtask_kit import logs

from . import order_statements
from .floor import Floor
from .work import Parcel

log = logs.get(__name__)

SWEEP_SECONDS = 5.0
CHUNK = 500
MOST_KEYS = 2000
"""Keys of one endpoint that are remembered to be looked at; the others are found when these are done."""

Key = tuple[bool, str]
"""A group (True), or a key of a resource (False)."""


class _Line:
    """What waits at one endpoint. `seen` is up to where in the stream its rows were looked through."""

    __slots__ = ("keys", "seen", "sweeping", "swept_at")

    def __init__(self, seen: int) -> None:
        self.seen = seen
        self.keys: OrderedDict[Key, None] = OrderedDict()
        self.sweeping: str | None = ""
        """All keys up to this one were looked at in this round; None between two rounds."""
        self.swept_at = 0.0

    def add(self, key: str, group: str | None) -> None:
        """Look at the group, whose first row is also the first of its key or waits for that; else at the key."""
        self.keys[(False, key) if group is None else (True, group)] = None

    @property
    def full(self) -> bool:
        return len(self.keys) >= MOST_KEYS


class Turns:
    """The endpoints whose lease this process holds, and which of their keys to look at next."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._lines: dict[UUID, _Line] = {}
        self._stamp = 0

    def forget(self, endpoint_id: UUID) -> None:
        """It was written: look through all of its rows anew."""
        self._lines.pop(endpoint_id, None)

    def ended(self, parcel: Parcel) -> bool:
        """An attempt is on record; True if that may be somebody else's turn."""
        line, place = self._lines.get(parcel.receiver.id), parcel.place
        if line is None or place is None:
            return False
        line.keys[(False, place.key)] = None
        if place.group is not None:
            line.keys[(True, place.group)] = None
        return True

    def waiting(self) -> Iterator[UUID]:
        """The endpoints with keys to look at."""
        lines = self._lines if self._floor.known is not None else {}
        return (endpoint_id for endpoint_id, line in lines.items() if line.keys)

    def waits(self, endpoint_id: UUID) -> bool:
        """Whether an endpoint has keys to look at."""
        line = self._lines.get(endpoint_id)
        return line is not None and bool(line.keys)

    async def look(self, connection: Any, endpoints: Collection[UUID]) -> None:
        """Find the keys to look at: of these endpoints, which have rows and a lease, and of no others."""
        floor = self._floor.known
        if floor is None:
            self._lines.clear()
            if endpoints:
                self._floor.want(0)
            return
        self._lines = {each: line for each, line in self._lines.items() if each in endpoints}
        for each in endpoints:
            if (
                self._floor.known is not None
                and each not in self._lines
                and await self._of_this_stream(connection, each, floor)
            ):
                self._lines[each] = _Line(floor)
        if self._lines:
            await self._look_at_arrivals(connection, floor)
            await self._sweep(connection, floor)

    async def claim(self, connection: Any, room: Mapping[UUID, int], now: datetime, until: datetime) -> list[Any]:
        """The rows whose turn it is, claimed: for each endpoint as many as there is room for."""
        floor = self._floor.known
        wanted: list[tuple[UUID, bool, str]] = []
        for endpoint_id, slots in room.items():
            line = self._lines.get(endpoint_id)
            if line is not None and floor is not None:
                some = [line.keys.popitem(last=False)[0] for _ in range(min(slots, len(line.keys)))]
                wanted += ((endpoint_id, *key) for key in some)
        if not wanted:
            return []
        try:
            rows: list[Any] = await connection.fetch(
                order_statements.TURN, *(list(column) for column in zip(*wanted, strict=True)), floor, now, until
            )
        except BaseException:
            for endpoint_id, grouped, key in wanted:  # nothing was claimed, as far as is known
                if (line := self._lines.get(endpoint_id)) is not None:
                    line.keys[grouped, key] = None
            raise
        return rows

    async def unblock(self, connection: Any, endpoints: Collection[UUID]) -> None:
        """Go on past what blocks at endpoints where nothing is to do so any more."""
        for row in await connection.fetch(order_statements.UNBLOCK, list(endpoints), CHUNK):
            if (line := self._lines.get(row["endpoint_id"])) is not None:
                line.keys[False, row["order_key"]] = None
                line.add(row["order_key"], row["order_group"])

    async def _look_at_arrivals(self, connection: Any, floor: int) -> None:
        """Add the keys of rows that came since, up to the floor; above it, others may still come before them."""
        lines = {each: line for each, line in self._lines.items() if not line.full}
        while lines:
            rows = await connection.fetch(
                order_statements.ARRIVED, list(lines), [line.seen for line in lines.values()], CHUNK
            )
            last: dict[UUID, int] = {}
            above: dict[UUID, int] = {}
            for row in rows:
                endpoint_id, seq = row["endpoint_id"], row["stream_seq"]
                if seq > floor:
                    above[endpoint_id] = seq
                    continue
                lines[endpoint_id].add(row["order_key"], row["order_group"])
                last[endpoint_id] = lines[endpoint_id].seen = seq
            if above:
                self._wait_for(above)
            lines = {each: lines[each] for each in last if each not in above and not lines[each].full}

    def _wait_for(self, above: Mapping[UUID, int]) -> None:
        """Ask for a higher floor."""
        self._floor.want(max(above.values()))
        if self._floor.doubted:
            self._floor.doubted = False
            for endpoint_id in above:
                self.forget(endpoint_id)  # and begin anew, with a look at which stream its rows are of

    async def _of_this_stream(self, connection: Any, endpoint_id: UUID, floor: int) -> bool:
        """True once all rows are of the stream that there is, or stand before all of it.

        Rows from above its end came with one that is no more. The snapshot is older than what is asked about the end, so that
        what comes meanwhile is not taken for such a row.
        """
        if (await connection.fetchval(order_statements.LAST, endpoint_id) or 0) <= floor:
            return True
        try:
            async with connection.transaction(isolation="repeatable_read"):
                last = await connection.fetchval(order_statements.LAST, endpoint_id)
                end = await self._floor.end()
                if end is None or last is None or last <= end:
                    return end is not None
                self._stamp = max(self._stamp + 1, int(time.time() * 1000))
                await connection.execute(order_statements.RENUMBER, endpoint_id, end, self._stamp << 20)
        except asyncpg.SerializationError:
            return False  # one of them was just written
        log.warning(
            "the stream is another one: what is due in order from before goes first", endpoint_id=str(endpoint_id)
        )
        return True

    async def _sweep(self, connection: Any, floor: int) -> None:
        """Go on looking through all keys, or begin to if that was long ago."""
        now = time.monotonic()
        lines = {}
        for endpoint_id, line in self._lines.items():
            if line.sweeping is None and now - line.swept_at >= SWEEP_SECONDS:
                line.sweeping = ""
            if line.sweeping is not None and not line.full:
                lines[endpoint_id] = line
        while lines:
            rows = await connection.fetch(
                order_statements.KEYS, list(lines), [line.sweeping for line in lines.values()], CHUNK
            )
            found = dict.fromkeys(lines, 0)
            for row in rows:
                line = lines[row["endpoint_id"]]
                line.sweeping = row["order_key"]
                found[row["endpoint_id"]] += 1
                if row["waits"] and row["stream_seq"] <= floor:
                    line.keys[False, row["order_key"]] = None
            for endpoint_id, number in found.items():
                if number < CHUNK:
                    lines[endpoint_id].sweeping, lines[endpoint_id].swept_at = None, now
            lines = {each: line for each, line in lines.items() if line.sweeping is not None and not line.full}
