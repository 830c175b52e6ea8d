"""Every service is one ASGI app with the same probes, metrics, start, drain and stop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from flowtask_kit import crashpoints, logs, traces
from flowtask_kit.database.engine import create_database
from flowtask_kit.database.migrations import MigrationSet, SchemaCheck
from flowtask_kit.http.cors import Cors
from flowtask_kit.http.envelope import JsonResponse
from flowtask_kit.http.policy import Guard, Policy
from flowtask_kit.http.shelled import Shelled
from flowtask_kit.service.resources import Resources

log = logs.get(__name__)

Hook = Callable[[], Awaitable[None]]
READINESS_SECONDS = 1.0
"""How long an answer of /readyz is reused, so that probes cost the database nothing."""


class Readiness:
    """What /readyz tells: the schema must be current and reachable; the bus only where the service is idle without.

    It asks over a connection of its own: a service whose connections are all lent is busy, and its database is there.
    """

    def __init__(self, resources: Resources, migrations: MigrationSet, *, needs_bus: bool) -> None:
        self._resources = resources
        settings = resources.settings.model_copy(update={"database_pool_size": 1})
        self._database = create_database(settings, service=f"{resources.service.name}-readiness")
        self._schema = SchemaCheck(self._database.engine, migrations)
        self._needs_bus = needs_bus
        self._kept: tuple[float, bool, dict[str, str]] | None = None
        self._one_at_a_time = asyncio.Lock()
        self.draining = False

    async def check(self) -> tuple[bool, dict[str, str]]:
        """Whether to send traffic here, and the state of each part."""
        if self.draining:
            return False, {"service": "draining"}
        async with self._one_at_a_time:
            if self._kept is None or time.monotonic() - self._kept[0] > READINESS_SECONDS:
                parts = {"database": await self._schema_state(), "bus": "ok" if self._resources.bus.hearing else "away"}
                ready = parts["database"] == "ok" and (parts["bus"] == "ok" or not self._needs_bus)
                self._kept = (time.monotonic(), ready, parts)
            return self._kept[1], self._kept[2]

    async def close(self) -> None:
        """Give its connection back."""
        await self._database.close()

    async def _schema_state(self) -> str:
        try:
            async with asyncio.timeout(3):
                return "ok" if await self._schema.current() else "schema is older than this service"
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the answer is that it cannot be reached
            log.warning("database not ready", error=repr(error))
            return "away"


def create_service(
    resources: Resources,
    migrations: MigrationSet,
    *,
    needs_bus: bool,
    on_start: Sequence[Hook] = (),
    on_stop: Sequence[Hook] = (),
    on_close: Sequence[Hook] = (),
    https: bool = False,
    cors: Cors | None = None,
    before_misspelt: Guard | None = None,
    **app_options: Any,
) -> FastAPI:
    """The app of a service: probes, metrics, error envelope, request ids; starts the bus, the relay and `on_start`.

    `on_stop` hooks run before anything is closed, in order: they finish or hand back the work under way. `on_close`
    hooks run after the background loops have ended. `https` says that callers reach the service by https alone, `cors` which
    pages of other origins may call, `before_misspelt` who may learn how a path is spelt.
    """
    readiness = Readiness(resources, migrations, needs_bus=needs_bus)

    policy = Policy(
        request_seconds=resources.settings.request_seconds, https=https, cors=cors, before_misspelt=before_misspelt
    )
    living = _living(resources, readiness, on_start=on_start, on_stop=on_stop, on_close=on_close)
    app = Shelled(policy, lifespan=living, **app_options)
    app.state.resources = resources
    app.state.readiness = readiness
    _probes(app, readiness)
    return app


def _living(
    resources: Resources,
    readiness: Readiness,
    *,
    on_start: Sequence[Hook],
    on_stop: Sequence[Hook],
    on_close: Sequence[Hook],
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What starts with the app and ends with it, in the opposite order."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        settings = resources.settings
        logs.configure(resources.service.name, settings.log_level)
        crashpoints.arm(settings.crashpoints)
        provider = traces.configure(resources.service.name, settings.otlp_endpoint)
        async with AsyncExitStack() as stack:
            stack.callback(provider.shutdown)
            stack.push_async_callback(readiness.close)
            stack.push_async_callback(resources.database.close)
            stack.push_async_callback(resources.direct.close)
            stack.push_async_callback(resources.bus.stop)
            for hook in on_close:
                stack.push_async_callback(hook)
            stack.push_async_callback(resources.background.stop)
            resources.bus.start()
            resources.background.start("relay", resources.relay().run)
            forgetting = resources.forgetting()
            resources.background.start(forgetting.name, forgetting.run)
            for hook in on_start:
                await hook()
            log.info("service started", port=settings.port)
            yield
            log.info("service stopping")
            for hook in on_stop:
                await hook()
        log.info("service stopped")

    return lifespan


def _probes(app: FastAPI, readiness: Readiness) -> None:
    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return JsonResponse({"status": "ok"})

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        ready, parts = await readiness.check()
        return JsonResponse({"status": "ok" if ready else "unavailable", **parts}, status_code=200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})
