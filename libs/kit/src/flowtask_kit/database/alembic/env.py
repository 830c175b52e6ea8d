"""Runs one service's migrations inside its own schema, one migrator at a time."""

import asyncio
import zlib

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from flowtask_kit.database.engine import driver_url
from flowtask_kit.database.migrations import MigrationSet

config = context.config
migrations: MigrationSet = config.attributes["migrations"]


def _run(connection: Connection) -> None:
    lock = zlib.crc32(f"flowtask.migrate.{migrations.schema}".encode())
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": lock})
    connection.execute(text("SET lock_timeout = '3s'"))
    connection.execute(text("SET statement_timeout = '60s'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=migrations.metadata,
        version_table_schema=migrations.schema,
        include_schemas=True,
        include_name=migrations.names,
        include_object=migrations.includes,
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


async def _main() -> None:
    """Comparing needs a search path without the schema: with it PostgreSQL describes what is there without its schema."""
    settings = {"search_path": "pg_catalog"} if config.attributes["compares"] else {}
    engine = create_async_engine(
        driver_url(config.attributes["url"]), poolclass=NullPool, connect_args={"server_settings": settings}
    )
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


asyncio.run(_main())
