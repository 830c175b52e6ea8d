"""The framework's app inside our shell."""

from contextlib import AsyncExitStack
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp, Receive, Scope, Send

from flowtask_kit.http.finding import Finder
from flowtask_kit.http.middleware import RequestShell
from flowtask_kit.http.policy import Policy

_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""The framework's own: RequestShell makes the one span, log line and metric of a request."""


class Shelled(FastAPI):
    """An app with RequestShell in place of the framework's middlewares: it answers every failure, and limits bodies, by itself.

    Its routes stand before its first request. None may take uploaded files: nothing would close them.
    """

    def __init__(self, policy: Policy | None = None, **options: Any) -> None:
        super().__init__(telemetry=_NO_TELEMETRY, **options)
        self._policy = policy

    def build_middleware_stack(self) -> ASGIApp:
        """The shell around the router."""
        router, unused = self.router, AsyncExitStack()
        find = Finder(self.routes, router)

        async def routed(scope: Scope, receive: Receive, send: Send) -> None:
            scope["fastapi_middleware_astack"] = unused
            scope["router"] = router
            await (find if scope["type"] == "http" else router)(scope, receive, send)

        return RequestShell(routed, policy=self._policy)
