"""Serving an app with uvicorn: readiness goes first, then connections, then the work under way."""

import asyncio
import gc
import math
import signal
from types import FrameType

import uvicorn
from fastapi import FastAPI

from flowtask_kit.service.protocol import protocol
from flowtask_kit.settings import ServiceSettings


class _Server(uvicorn.Server):
    """On SIGTERM /readyz says 503 for `drain_seconds` before listening ends; a second signal ends at once."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_seconds = drain_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn calls it so
        """Begin to drain, or stop at once when draining has begun; the signal is spent, so the exit status is 0."""
        readiness = self._app.state.readiness
        if readiness.draining or self._drain_seconds == 0 or sig != signal.SIGTERM:
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True
        else:
            asyncio.get_running_loop().call_later(self._drain_seconds, setattr, self, "should_exit", True)
        readiness.draining = True


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return; the exit status is 0."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=protocol(settings.request_seconds),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=math.ceil(settings.stop_seconds),
        timeout_keep_alive=75,
    )
    gc.collect()
    gc.freeze()  # what stands now stays: looking through it again and again costs a tenth of a request
    _Server(config, app, settings.drain_seconds).run()
