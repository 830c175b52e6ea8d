"""Roles, schemas and extensions: each service's login role owns its own schema and can see nothing else."""

from collections.abc import Mapping

import asyncpg
from pydantic import SecretStr

from flowtask_contracts.topology import Service, Topology

EXTENSIONS = "extensions"
"""The schema of extensions."""

_LOCK = 0x666C6F77  # one bootstrap at a time


async def bootstrap_postgres(url: str, topology: Topology, passwords: Mapping[str, SecretStr]) -> None:
    """Make what is missing and set passwords anew; safe to repeat and to run twice at once.

    Raises KeyError when a service has no password.
    """
    missing = [service.name for service in topology.services if service.name not in passwords]
    if missing:
        raise KeyError(f"no role password for: {', '.join(missing)}")
    connection = await asyncpg.connect(url, timeout=10)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await _close_the_open_doors(connection)
            for service in topology.services:
                await _role(connection, service, passwords[service.name].get_secret_value())
                await _schema(connection, service)
            await _extensions(connection, topology)
    finally:
        await connection.close()


async def _close_the_open_doors(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """By default everybody may connect and see the public schema; here nobody may without being told."""
    await _run(connection, "SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database())")
    await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")


async def _role(connection: "asyncpg.Connection[asyncpg.Record]", service: Service, password: str) -> None:
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", service.role)
    if not exists:
        await _run(connection, "SELECT format('CREATE ROLE %I LOGIN', $1::text)", service.role)
    await _run(connection, "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)", service.role, password)
    await _run(
        connection,
        "SELECT format('ALTER ROLE %I SET search_path TO %I', $1::text, $2::text)",
        service.role,
        service.schema,
    )
    await _run(
        connection, "SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), $1::text)", service.role
    )


async def _schema(connection: "asyncpg.Connection[asyncpg.Record]", service: Service) -> None:
    await _run(connection, "SELECT format('GRANT %I TO CURRENT_USER', $1::text)", service.role)
    await _run(
        connection,
        "SELECT format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', $1::text, $2::text)",
        service.schema,
        service.role,
    )
    await _run(
        connection, "SELECT format('ALTER SCHEMA %I OWNER TO %I', $1::text, $2::text)", service.schema, service.role
    )


async def _extensions(connection: "asyncpg.Connection[asyncpg.Record]", topology: Topology) -> None:
    """Extensions in a schema of their own, which services may look into and nothing more; those elsewhere are moved there."""
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {EXTENSIONS}")
    for extension in topology.extensions:
        await connection.execute(f'CREATE EXTENSION IF NOT EXISTS "{extension}" SCHEMA {EXTENSIONS}')
        await connection.execute(f'ALTER EXTENSION "{extension}" SET SCHEMA {EXTENSIONS}')
    for service in topology.services:
        await _run(connection, f"SELECT format('GRANT USAGE ON SCHEMA {EXTENSIONS} TO %I', $1::text)", service.role)


async def _run(connection: "asyncpg.Connection[asyncpg.Record]", statement: str, *arguments: str) -> None:
    """Have the server quote a DDL statement's names, then execute it."""
    await connection.execute(await connection.fetchval(statement, *arguments))
