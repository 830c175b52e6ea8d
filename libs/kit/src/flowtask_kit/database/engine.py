"""Connections to the service's own schema, through its own role."""

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from flowtask_kit.outages import is_read_only
from flowtask_kit.settings import ServiceSettings

SERVER_SETTINGS = {
    "timezone": "UTC",
    "statement_timeout": "15000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "10000",
    "random_page_cost": "1.1",
    "work_mem": "32MB",
}
"""Milliseconds: no statement, lock or open transaction of ours may outlive these. Pages are as near as on any SSD. Memory for a bitmap
of half a million pages: when one does not fit, every row of a page is looked at."""


def driver_url(url: str) -> URL:
    """The SQLAlchemy URL of a plain `postgresql://` one."""
    return make_url(url).set(drivername="postgresql+asyncpg")


def plain_dsn(url: str) -> str:
    """The URL as asyncpg itself takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


@dataclass(frozen=True)
class Database:
    """The engine of a process and the sessions made from it."""

    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]

    async def close(self) -> None:
        """Give back every connection."""
        await self.engine.dispose()


def create_database(settings: ServiceSettings, *, service: str) -> Database:
    """A pool that notices dead connections before it hands them out, so that a restarted server needs no restart here."""
    engine = create_async_engine(
        driver_url(settings.database_url.get_secret_value()),
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=False,
        pool_recycle=1800,
        hide_parameters=True,  # what people wrote does not belong into logs
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": 5,
            "command_timeout": 20,
            "server_settings": {**SERVER_SETTINGS, "application_name": f"flowtask-{service}"},
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_the_dead)
    event.listen(engine.sync_engine, "handle_error", _leave_the_demoted)
    return Database(engine, async_sessionmaker(engine, expire_on_commit=False))


def _refuse_the_dead(connection: Any, _record: Any, _proxy: Any) -> None:
    """Skip connections whose socket the server has closed: costs no round trip, unlike a ping before each use."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _leave_the_demoted(context: ExceptionContext) -> None:
    """Have every connection made anew once the server takes no writes: another one has become the primary."""
    if is_read_only(context.sqlalchemy_exception):
        context.is_disconnect = True
