"""A small world for the kit: real servers, and the notes service to put between them."""

import sys
from pathlib import Path

import pytest
import structlog

sys.path.insert(0, str(Path(__file__).parent))

from notes.world import AUTHORIZATION, Administrator, World, prepare_bus, prepare_database

from flowtask_local.postgres import EmbeddedPostgres


@pytest.fixture(scope="session", autouse=True)
def plain_logs():
    """Tracebacks as text: structlog's colourful ones take a second each."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(),
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def notes_postgres(postgres_server):
    """The run's PostgreSQL with the notes service's database in it."""
    prepare_database(postgres_server)
    return postgres_server


@pytest.fixture(scope="session")
def mortal_postgres(tmp_path_factory):
    """Another PostgreSQL, a durable one, for tests that kill it; each of them leaves it running."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("mortal") / "data") as server:
        prepare_database(server)
        yield server


@pytest.fixture(scope="session")
def administrator(notes_postgres):
    with Administrator(notes_postgres) as session:
        yield session


@pytest.fixture(scope="session")
def mortal_administrator(mortal_postgres):
    with Administrator(mortal_postgres) as session:
        yield session


@pytest.fixture(scope="module")
def notes_nats(nats_server_factory):
    """The module's NATS; tests that kill it start it again."""
    server = nats_server_factory(AUTHORIZATION)
    prepare_bus(server)
    return server


@pytest.fixture
async def world(notes_postgres, notes_nats, administrator):
    """Empty tables and streams."""
    async for made in _world(notes_postgres, notes_nats, administrator):
        yield made


@pytest.fixture
async def mortal_world(mortal_postgres, notes_nats, mortal_administrator):
    """The same with a PostgreSQL that may be killed."""
    async for made in _world(mortal_postgres, notes_nats, mortal_administrator):
        yield made


async def _world(postgres, nats_server, administrator):
    made = World(postgres, nats_server, administrator)
    await made.reset()
    try:
        yield made
    finally:
        await made.close()
