"""Telling an outage of our own database or broker from a fault: an outage is waited out and never counts as a try."""

import asyncio

import asyncpg
import nats.errors
import nats.js.errors
import sqlalchemy.exc

_SQLSTATES_OF_OUTAGE = ("08", "25006", "25P03", "25P04", "40", "53", "55P03", "57", "58")
"""Connections, a server that no longer takes writes, transactions that took too long, deadlocks and serialization,
resources, lock timeouts, statement timeouts and shutdowns, and what the server's own system did to it."""


def is_outage(error: BaseException) -> bool:
    """True for a database or broker that is away, starting, full or too busy: try again later, nothing is wrong here."""
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        return error.connection_invalidated or (
            error.orig is not None and is_outage(error.orig.__cause__ or error.orig)
        )
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return _is_outage_of_postgresql(error)
    if isinstance(error, nats.errors.Error):
        return isinstance(error, _BUS_OUTAGES)
    if isinstance(error, OSError):
        return not isinstance(error, _OF_FILES)
    return isinstance(error, asyncio.TimeoutError | sqlalchemy.exc.TimeoutError)


def is_read_only(error: BaseException | None) -> bool:
    """True where a server that has become a standby refused a write: its connections lead to the wrong server now."""
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    return isinstance(error, asyncpg.ReadOnlySQLTransactionError)


def is_timeout(error: BaseException | None) -> bool:
    """True where the server has ended a single statement for its time, or its wait for a lock: others may still be carried out."""
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    return isinstance(error, asyncpg.QueryCanceledError | asyncpg.LockNotAvailableError)


def _is_outage_of_postgresql(error: Exception) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return str(getattr(error, "sqlstate", "")).startswith(_SQLSTATES_OF_OUTAGE)
    if isinstance(error, asyncpg.InternalClientError):
        return "another operation (2)" in str(error)  # used between the server's farewell and the end of its socket
    # Its subclasses repeat a query's arguments, which may say anything.
    return type(error) is asyncpg.InterfaceError and "closed" in str(error)


_OF_FILES = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_BUS_OUTAGES = (
    nats.errors.TimeoutError,
    nats.errors.NoRespondersError,
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.ConnectionDrainingError,
    nats.errors.StaleConnectionError,
    nats.errors.NoServersError,
    nats.errors.OutboundBufferLimitError,
    nats.js.errors.NoStreamResponseError,
    nats.js.errors.ServiceUnavailableError,
)
