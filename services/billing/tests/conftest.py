"""Billing between a real PostgreSQL and a real NATS."""

import pytest

from flowtask_billing.app import create_app
from flowtask_billing.database import MIGRATIONS
from flowtask_billing.settings import BillingSettings
from flowtask_local.service_world import AUTHORIZATION, ServiceWorld, template_of
from flowtask_local.testing import nats_server, nats_server_factory, postgres_server  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def template(postgres_server):  # noqa: F811
    return template_of(postgres_server, "billing", MIGRATIONS)


@pytest.fixture(scope="module")
def nats_authorization():
    return AUTHORIZATION


@pytest.fixture
async def world(postgres_server, nats_server, template):  # noqa: F811
    async with ServiceWorld("billing", postgres_server, nats_server, template, create_app, BillingSettings) as made:
        yield made
