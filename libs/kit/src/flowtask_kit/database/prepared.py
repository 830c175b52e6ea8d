"""Core statements compiled once and run on the driver: for the few that every request runs.

The ORM's session spends about 0.7 ms of CPU on a statement, the driver about 0.05 ms. What is run here belongs to the
session's transaction like everything else, but takes and gives plain driver values: no ORM rows, no type processing.
"""

from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable
from sqlalchemy.sql.elements import CompilerElement


class Prepared:
    """A statement with named parameters, compiled once; asyncpg prepares it once per connection."""

    def __init__(self, statement: Executable) -> None:
        assert isinstance(statement, CompilerElement)
        compiled = statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
        self.sql = compiled.string
        self._names: tuple[str, ...] = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]

    async def first(self, tx: AsyncSession, parameters: Mapping[str, Any]) -> asyncpg.Record | None:
        """The first row, or None."""
        return await (await _driver(tx)).fetchrow(self.sql, *self._values(parameters))

    async def execute(self, tx: AsyncSession, parameters: Mapping[str, Any]) -> None:
        """Run it for its effect."""
        await (await _driver(tx)).execute(self.sql, *self._values(parameters))

    def _values(self, parameters: Mapping[str, Any]) -> list[Any]:
        return [parameters[name] for name in self._names]


async def _driver(tx: AsyncSession) -> "asyncpg.Connection[asyncpg.Record]":
    """The driver's connection inside the session's transaction, which SQLAlchemy would only begin with its own statement."""
    connection = await tx.connection()
    assert connection.sync_connection is not None
    adapted: Any = connection.sync_connection.connection.dbapi_connection
    if adapted._transaction is None:  # noqa: SLF001 - the adapter has no public way to begin
        try:
            await adapted._start_transaction()  # noqa: SLF001
        except adapted.dbapi.Error as error:
            raise error.__cause__ or error from None  # the driver's own error, as its statements raise it
    driver: asyncpg.Connection[asyncpg.Record] = adapted.driver_connection
    return driver
