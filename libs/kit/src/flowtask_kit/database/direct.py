"""Statements straight on the driver: for the few that every request runs.

A pool of its own beside SQLAlchemy's, because what lies between a session and the driver costs several times what the
driver does, and asyncpg's own pool asks the server to reset each connection that is given back: nothing that is run
here leaves anything to reset.
"""

import asyncio
import time
from collections import deque
from types import TracebackType
from typing import Any, Self, TypeAlias

import asyncpg

from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.engine import SERVER_SETTINGS
from flowtask_kit.outages import is_read_only
from flowtask_kit.outbox.wake import Wake

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

WAIT_SECONDS = 5.0
"""How long to wait for a connection, or for the server to accept one."""
STATEMENT_SECONDS = 20.0
RECYCLE_SECONDS = 1800.0


class _Held:
    """A connection of ours: when it was made, and whether it plans every statement anew."""

    __slots__ = ("anew", "connection", "made")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.made = time.monotonic()
        self.anew = False

    @property
    def stands(self) -> bool:
        return not self.connection.is_closed() and time.monotonic() - self.made < RECYCLE_SECONDS

    async def plan(self, *, anew: bool) -> None:
        """Have statements planned for their own values, or by the plan that has served for others."""
        if anew != self.anew:
            mode = "force_custom_plan" if anew else "auto"
            await self.connection.execute(f"SET plan_cache_mode = {mode}")
            self.anew = anew


class _Places:
    """How many connections may still be lent; who waits for one is served in turn."""

    def __init__(self, free: int) -> None:
        self._left = free
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, seconds: float) -> None:
        """Take a place; TimeoutError when there is none to be had in time."""
        if self._left:
            self._left -= 1
            return
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(seconds, _give_up, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.give_back()  # it had come, to somebody who is gone
            raise
        finally:
            timer.cancel()

    def give_back(self) -> None:
        """Hand a place to whoever has waited longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._left += 1


def _give_up(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class Direct:
    """Up to `size` connections, made when they are needed. A statement of its own is a transaction of its own.

    `anew` has the server plan a statement for the values it is given: a list of ten tasks and one of ten million need
    different plans, and a kept one would be the first that came.
    """

    def __init__(self, dsn: str, *, size: int, name: str, wait: float = WAIT_SECONDS) -> None:
        """`wait` is how many seconds somebody waits for a connection while all are lent."""
        self._dsn = dsn
        self._wait = wait
        self._name = name
        self._places = _Places(size)
        self._free: deque[_Held] = deque()
        self._closed = False

    async def fetchrow(self, sql: str, *arguments: Any, anew: bool = False) -> asyncpg.Record | None:
        """The first row of a statement, or None."""
        async with _Lent(self, anew=anew) as connection:
            return await connection.fetchrow(sql, *arguments)

    async def fetch(self, sql: str, *arguments: Any, anew: bool = False) -> list[asyncpg.Record]:
        """All rows of a statement."""
        async with _Lent(self, anew=anew) as connection:
            return await connection.fetch(sql, *arguments)

    async def execute(self, sql: str, *arguments: Any) -> None:
        """Run a statement for its effect, which is committed when this returns."""
        async with _Lent(self, anew=False) as connection:
            await connection.execute(sql, *arguments)

    def transaction(self, wake: Wake) -> "DirectTransaction":
        """Commit on leaving, roll back on an error; relays are woken after a commit that has written outbox rows."""
        return DirectTransaction(self, wake)

    async def close(self) -> None:
        """Close what is free; what is lent is closed when it comes back."""
        self._closed = True
        while self._free:
            await self._free.pop().connection.close(timeout=WAIT_SECONDS)

    async def take(self) -> _Held:
        """A connection that stands, the one used last first; TimeoutError or OSError when there is none to be had."""
        await self._places.take(self._wait)
        try:
            while self._free:
                held = self._free.pop()
                if held.stands:
                    return held
                held.connection.terminate()
            return _Held(await self._connect())
        except BaseException:
            self._places.give_back()
            raise

    def give_back(self, held: _Held, *, clean: bool, error: BaseException | None = None) -> None:
        """Take a connection back; one whose state is not known is not used again.

        With an error that tells of a server that no longer takes writes, the free ones are not used again either.
        """
        if is_read_only(error):
            clean = False
            while self._free:
                self._free.pop().connection.terminate()
        if clean and not self._closed and not held.connection.is_closed():
            self._free.append(held)
        else:
            held.connection.terminate()
        self._places.give_back()

    async def _connect(self) -> Connection:
        return await asyncpg.connect(
            self._dsn,
            timeout=WAIT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings={**SERVER_SETTINGS, "application_name": self._name},
        )


class _Lent:
    """A connection for one statement."""

    __slots__ = ("_anew", "_direct", "_held")

    def __init__(self, direct: Direct, *, anew: bool) -> None:
        self._direct = direct
        self._anew = anew

    async def __aenter__(self) -> Connection:
        self._held = await self._direct.take()
        if self._held.anew != self._anew:
            await self._switch()
        return self._held.connection

    async def _switch(self) -> None:
        try:
            await self._held.plan(anew=self._anew)
        except BaseException:
            self._direct.give_back(self._held, clean=False)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._direct.give_back(self._held, clean=error is None or isinstance(error, asyncpg.PostgresError), error=error)


class DirectTransaction:
    """A transaction that begins with its first statement; without one it costs nothing.

    `wakes` is set by whoever writes outbox rows in it.
    """

    def __init__(self, direct: Direct, wake: Wake) -> None:
        self._direct = direct
        self._wake = wake
        self._held: _Held | None = None
        self._concluded = False
        self.wakes = False

    async def fetchrow(self, sql: str, *arguments: Any, anew: bool = False) -> asyncpg.Record | None:
        """The first row of a statement, or None."""
        del anew
        return await (await self._begun()).fetchrow(sql, *arguments)

    async def fetch(self, sql: str, *arguments: Any, anew: bool = False) -> list[asyncpg.Record]:
        """All rows of a statement."""
        del anew
        return await (await self._begun()).fetch(sql, *arguments)

    async def execute(self, sql: str, *arguments: Any) -> None:
        """Run a statement for its effect."""
        await (await self._begun()).execute(sql, *arguments)

    async def conclude(self, sql: str, *arguments: Any) -> None:
        """Run the last statement of all for its effect. Where it is the first as well it commits by itself, in one round trip."""
        if self._held is None and not self._concluded:
            self._concluded = True
            await self._direct.execute(sql, *arguments)
        else:
            await self.execute(sql, *arguments)

    async def _begun(self) -> Connection:
        if self._concluded:
            msg = "the transaction has had its last statement"
            raise RuntimeError(msg)
        if self._held is None:
            self._held = await self._direct.take()
            await self._held.connection.execute("BEGIN")
        return self._held.connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held is not None:
            await self._end(self._held, error)
        if error is None and self.wakes:
            crashpoint("outbox.after-commit")
            await self._wake.send()

    async def _end(self, held: _Held, error: BaseException | None) -> None:
        clean = False
        try:
            if error is None:
                await _commit(held.connection)
                clean = True
            elif isinstance(error, Exception) and not held.connection.is_closed():
                await held.connection.execute("ROLLBACK")
                clean = True
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            if error is None:
                raise
        finally:
            self._direct.give_back(held, clean=clean, error=error)


async def _commit(connection: Connection) -> None:
    """Commit. A COMMIT after a statement that has failed is a rollback that the server reports as a success."""
    if await connection.execute("COMMIT") != "COMMIT":
        msg = "the transaction had failed before its commit"
        raise RuntimeError(msg)
