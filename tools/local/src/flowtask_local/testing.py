"""Servers for tests of the kit and the services, as pytest fixtures: real ones, on free ports of this machine.

Name this module in `pytest_plugins`. One PostgreSQL serves a whole run (of each xdist worker), NATS is started anew for each
module. They give up crash safety for speed, and end with the run, however it ends.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .nats import EmbeddedNats
from .postgres import EmbeddedPostgres

NatsServerFactory = Callable[[str], EmbeddedNats]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL for the run; make your own databases in it. Nobody vacuums those that tests leave behind."""
    data = tmp_path_factory.mktemp("postgres") / "data"
    with EmbeddedPostgres(data, durable=False, settings={"autovacuum": "off"}) as server:
        yield server


@pytest.fixture(scope="module")
def nats_server_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServerFactory]:
    """Starts NATS servers with the authorization block they are given; all end with the module."""
    with ExitStack() as servers:

        def start(authorization: str = "") -> EmbeddedNats:
            folder = tmp_path_factory.mktemp("nats") / "data"
            return servers.enter_context(EmbeddedNats(folder, authorization=authorization, durable=False))

        yield start


@pytest.fixture(scope="module")
def nats_authorization() -> str:
    """The authorization block of `nats_server`; a module that wants one overrides this fixture."""
    return ""


@pytest.fixture(scope="module")
def nats_server(nats_server_factory: NatsServerFactory, nats_authorization: str) -> EmbeddedNats:
    """One NATS server for the module."""
    return nats_server_factory(nats_authorization)
