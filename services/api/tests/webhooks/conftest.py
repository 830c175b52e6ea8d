"""The dispatcher of these tests answers on a NATS of their module."""

import pytest

from flowtask_local.nats import EmbeddedNats


@pytest.fixture(scope="module")
def nats_server(nats_server_factory) -> EmbeddedNats:
    return nats_server_factory("")


@pytest.fixture
def nats_url(nats_server) -> str:
    return nats_server.url()
