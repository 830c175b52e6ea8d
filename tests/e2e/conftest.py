"""The whole of FlowTask as processes, and a client with a key of its demo workspace."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from flowtask_local.services import AT_FULL_SPEED
from flowtask_local.stack import Stack


@pytest.fixture(scope="module")
def replicas() -> dict[str, int]:
    """How many of each service; a module that wants more overrides this."""
    return {}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, replicas: dict[str, int]) -> Iterator[Stack]:
    """Servers as durable as in production, and all services, for one module."""
    home = tmp_path_factory.mktemp("e2e") / "home"
    env = AT_FULL_SPEED | {"webhook-dispatcher": {"FLOWTASK_WEBHOOKS_MAX_ENDPOINTS": "1000"}}
    with Stack(Path(home), replicas=replicas, extra_env=env, durable=True) as running:
        running.up()
        running.seed()
        yield running


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[httpx2.AsyncClient]:
    """A caller of the demo workspace."""
    async with httpx2.AsyncClient(
        base_url=f"{stack.service('api').url}/api/v1",
        headers={"Authorization": f"Bearer {stack.seed()['apiKey']}"},
        timeout=15,
        limits=httpx2.Limits(max_connections=32, max_keepalive_connections=32),
    ) as client:
        yield client
