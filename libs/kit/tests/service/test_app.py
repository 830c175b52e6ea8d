import asyncio
import time
from contextlib import AsyncExitStack

import httpx2 as httpx
import pytest
from notes.app import create_app
from notes.database import MIGRATIONS
from notes.world import eventually

from flowtask_kit.service import app as service_app


@pytest.fixture
async def serve(world):
    """Starts the notes app, its lifespan included; returns a client."""
    stops = []

    async def start(**changes):
        needs_bus = changes.pop("needs_bus", False)
        app = create_app(world.settings(**changes), needs_bus=needs_bus)
        lifespan = app.router.lifespan_context(app)
        await lifespan.__aenter__()
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notes")
        client.app = app
        stops.append((client, lifespan))
        return client

    yield start
    for client, lifespan in reversed(stops):
        await client.aclose()
        await lifespan.__aexit__(None, None, None)


async def ready(client):
    """The answer of /readyz, asked anew."""
    client.app.state.readiness._kept = None
    return await client.get("/readyz")


@pytest.fixture
def revision(world):
    """Sets what the database says its revision is, for this test."""

    def put(value):
        world.sql("DELETE FROM notes.alembic_version")
        if value is not None:
            world.sql(f"INSERT INTO notes.alembic_version VALUES ('{value}')")  # noqa: S608 - our value

    yield put
    put("initial")


async def test_alive_is_alive_even_with_nothing_to_talk_to(serve):
    client = await serve(database_url="postgresql://u:p@127.0.0.1:1/d", nats_url="nats://127.0.0.1:1")
    answer = await client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_service_with_a_current_schema_is_ready(serve):
    client = await serve()
    answer = await ready(client)
    assert answer.status_code == 200
    assert answer.json()["database"] == "ok"


@pytest.mark.parametrize("known", [None, "missing table"])
async def test_a_service_whose_schema_is_missing_is_not_ready_until_it_is_migrated(serve, world, revision, known):
    client = await serve()
    if known is None:
        revision(None)
    else:
        world.sql("ALTER TABLE notes.alembic_version RENAME TO elsewhere")
    try:
        answer = await ready(client)
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        assert answer.json()["database"] == "schema is older than this service"
    finally:
        if known is not None:
            world.sql("ALTER TABLE notes.elsewhere RENAME TO alembic_version")
    revision("initial")
    assert (await ready(client)).status_code == 200


async def test_a_schema_that_is_newer_than_this_code_is_fine(serve, revision):
    revision("not written yet")
    assert (await ready(await serve())).status_code == 200


async def test_a_service_without_its_database_is_not_ready(serve):
    client = await serve(database_url="postgresql://u:p@127.0.0.1:1/d")
    answer = await ready(client)
    assert (answer.status_code, answer.json()["database"]) == (503, "away")


async def test_a_service_whose_connections_are_all_lent_is_ready(serve):
    client = await serve(database_pool_size=2)
    resources = client.app.state.resources
    async with AsyncExitStack() as lent:
        for _ in range(2):
            await lent.enter_async_context(resources.database.engine.connect())
            tx = await lent.enter_async_context(resources.direct.transaction(resources.wake))
            await tx.execute("SELECT 1")
        begun = time.monotonic()
        answer = await ready(client)
    assert (answer.status_code, answer.json()["database"]) == (200, "ok")
    assert time.monotonic() - begun < 2


async def test_asking_whether_it_is_ready_keeps_to_one_connection_which_ends_with_the_service(world):
    probes = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'flowtask-notes-readiness'"
    app = create_app(world.settings())
    async with app.router.lifespan_context(app):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notes")
        client.app = app
        for _ in range(3):
            assert (await ready(client)).status_code == 200
            assert int(world.sql(probes)) == 1
    await eventually(lambda: int(world.sql(probes)) == 0)


@pytest.mark.parametrize(("needs_bus", "status"), [(True, 503), (False, 200)])
async def test_the_bus_counts_only_where_the_service_is_idle_without_it(serve, needs_bus, status):
    client = await serve(needs_bus=needs_bus, nats_url="nats://127.0.0.1:1")
    answer = await ready(client)
    assert (answer.status_code, answer.json()["bus"]) == (status, "away")


async def test_a_service_that_needs_the_bus_is_ready_once_it_is_connected(serve):
    client = await serve(needs_bus=True)

    async def is_ready():
        return (await ready(client)).status_code == 200

    await eventually(is_ready)


async def test_a_service_that_needs_the_bus_is_not_ready_while_it_is_connected_but_hears_nothing_yet(serve):
    client = await serve(needs_bus=True)
    bus = client.app.state.resources.bus
    await bus.ready.wait()
    bus.ready.clear()
    answer = await ready(client)
    assert bus.connected
    assert (answer.status_code, answer.json()["bus"]) == (503, "away")
    bus.ready.set()
    assert (await ready(client)).status_code == 200


async def test_a_draining_service_is_alive_and_not_ready(serve):
    client = await serve()
    await ready(client)
    client.app.state.readiness.draining = True
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["service"]) == (503, "draining")
    assert (await client.get("/livez")).status_code == 200


async def test_an_answer_is_reused_for_a_moment_so_that_probes_cost_the_database_nothing(serve, revision):
    client = await serve()
    assert (await ready(client)).status_code == 200
    revision(None)
    assert (await client.get("/readyz")).status_code == 200

    async def noticed():
        return (await client.get("/readyz")).status_code == 503

    await eventually(noticed, timeout=service_app.READINESS_SECONDS + 2)


async def test_metrics_are_exposed_for_prometheus(serve):
    answer = await (await serve()).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    for name in ("flowtask_outbox_oldest_seconds", "flowtask_bus_connected", "process_resident_memory_bytes"):
        assert f"\n{name} " in answer.text


async def test_hooks_run_in_their_order_around_the_loops(world):
    told = []

    def hook(name):
        async def run():
            told.append(name)

        return run

    resources = world.resources()

    async def loop():
        try:
            await asyncio.Event().wait()
        finally:
            told.append("loop ended")

    async def start_loop():
        resources.background.start("loop", loop)
        await asyncio.sleep(0)

    app = service_app.create_service(
        resources,
        MIGRATIONS,
        needs_bus=False,
        on_start=[hook("start"), start_loop],
        on_stop=[hook("stop 1"), hook("stop 2")],
        on_close=[hook("close")],
    )
    async with app.router.lifespan_context(app):
        told.append("serving")
    assert told == ["start", "serving", "stop 1", "stop 2", "loop ended", "close"]
