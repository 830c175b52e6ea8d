"""The API behind a real port, for programs that know only addresses."""

import asyncio

import pytest
import uvicorn

from flowtask_kit.service.protocol import protocol
from flowtask_local.ports import free_port


@pytest.fixture
async def address(app):
    """Where the app of this test listens."""
    port = free_port()
    config = uvicorn.Config(
        app, port=port, http=protocol(30.0), ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    async with asyncio.timeout(30):
        while not server.started:
            await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving
