"""What wraps every request: an id, a trace, a limit on the body, an access log line, a metric."""

import asyncio
import re
import time
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import HTTPException
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowtask_kit import logs, metrics, traces
from flowtask_kit.http.errors import framework, unexpected
from flowtask_kit.ids import new_id

log = logs.get(__name__)

MAX_BODY_BYTES = 1024 * 1024
DISCARDED_BYTES = 8 * MAX_BODY_BYTES
DISCARD_SECONDS = 1.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})


class BodyTooLarge(HTTPException):
    """More bytes came than this server reads; an HTTPException, which the framework lets through while it reads."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, headers={"Connection": "close"})


class RequestShell:
    """Gives each request its `X-Request-Id`, span, log line and metric, and stops bodies above 1 MiB with 413.

    A caller's own X-Request-Id is kept when it is short and plain.
    """

    def __init__(self, app: ASGIApp, *, max_body: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"] if name in _WANTED}
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, scope["state"])
        begun = time.perf_counter()
        parent = traces.extract(
            {"traceparent": headers[b"traceparent"].decode("latin-1")} if b"traceparent" in headers else {}
        )
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            traces.tracer().start_as_current_span(f"{scope['method']} request", context=parent, kind=SpanKind.SERVER),
        ):
            await self._guarded(scope, receive, answer, headers.get(b"content-length", b""))
            self._account(scope, answer.status, time.perf_counter() - begun)

    async def _guarded(self, scope: Scope, receive: Receive, answer: "_Answer", length: bytes) -> None:
        """Answer whatever the app does not; when its answer breaks off in the middle, the server hangs up."""
        try:
            if length.isdigit() and int(length[:16]) > self._max_body:
                await _discard(receive)
                raise BodyTooLarge  # noqa: TRY301 - one place answers it
            await self._app(scope, _Limited(receive, self._max_body), answer)
        except Exception as error:
            if answer.status:
                log.exception("answer broke off", path=scope["path"])
                return
            if isinstance(error, HTTPException):
                response = await framework(Request(scope), error)
            else:
                response = await unexpected(Request(scope), error)
            await response(scope, receive, answer)

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        metrics.HTTP_SECONDS.labels(scope["method"], route, status).observe(seconds)
        if scope["path"] not in _QUIET:
            log.info(
                "request", method=scope["method"], route=route, status=status, duration_ms=round(seconds * 1000, 2)
            )


def answer_headers(request: Request, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Have the answer of this request, whatever it will be, carry these headers; the latest call counts."""
    request.scope["state"]["answer_headers"] = tuple(headers)


_WANTED = frozenset({b"x-request-id", b"content-length", b"traceparent"})


class _Limited:
    """A receive that counts body bytes."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                if message.get("more_body"):
                    await _discard(self._receive)
                raise BodyTooLarge
        return message


async def _discard(receive: Receive) -> None:
    """Read on for a moment: a client that is still sending when the server hangs up never sees the refusal."""
    left = DISCARDED_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


class _Answer:
    """A send that adds the request's id and what `answer_headers` has added, and remembers the status."""

    def __init__(self, send: Send, state: MutableMapping[str, Any]) -> None:
        self._send = send
        self._state = state
        self.status = 0

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            more = self._state.get("answer_headers", ())
            request_id = self._state["request_id"].encode("latin-1")
            message["headers"] = [*message.get("headers", ()), *more, (b"x-request-id", request_id)]
        await self._send(message)
