"""The dispatcher of these tests answers on a NATS of their module."""

import pytest


@pytest.fixture
def nats_url(nats_server) -> str:
    return nats_server.url()
