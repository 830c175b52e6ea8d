"""What wraps every request: an id, a trace, limits on size and time, one spelling of paths, a log line, a metric."""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from flowtask_contracts.errors import FlowTaskError, RequestTimedOut, ServiceUnavailable
from flowtask_kit import logs, metrics, traces
from flowtask_kit.http.answers import Answer, accepts_gzip
from flowtask_kit.http.bodies import LimitedBody
from flowtask_kit.http.deadlines import Deadlines
from flowtask_kit.http.envelope import error_response
from flowtask_kit.http.errors import framework, invalid_request, unexpected
from flowtask_kit.http.paths import misspelt
from flowtask_kit.http.policy import Policy
from flowtask_kit.ids import new_id

log = logs.get(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
_QUIET = frozenset({"/livez", "/readyz", "/metrics"})
_WANTED = frozenset(
    {
        b"accept-encoding",
        b"access-control-request-method",
        b"content-length",
        b"origin",
        b"traceparent",
        b"x-request-id",
    }
)


class RequestShell:
    """Gives each request its `X-Request-Id`, span, log line and metric, answers HEAD as GET, and refuses what is too much.

    A caller's own X-Request-Id is kept when it is short and plain. A body above the limit is a 413, one that does not come
    in time a 408, and a request that is not answered in time a 503: what it has not committed by then is undone.
    """

    def __init__(self, app: ASGIApp, *, policy: Policy | None = None) -> None:
        self._app = app
        self._policy = policy or Policy()
        self._always = self._policy.headers
        self._deadlines = Deadlines(self._policy.request_seconds)
        self._seconds: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = {name: value for name, value in scope["headers"] if name in _WANTED}
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(new_id())
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        encodings = headers.get(b"accept-encoding")
        answer = Answer(send, state, self._always, accepts_gzip=encodings is not None and accepts_gzip(encodings))
        method = scope["method"]
        if method == "HEAD":
            answer.head = True
            scope = {**scope, "method": "GET"}
        if self._policy.cors is not None:
            answer.always = (*self._always, *self._policy.cors.headers_for(headers.get(b"origin")))
        parent = headers.get(b"traceparent")
        token = logs.REQUEST_ID.set(request_id)
        try:
            with traces.serving(f"{method} request", None if parent is None else parent.decode("latin-1")):
                await self._guarded(scope, receive, answer, headers)
                self._account(scope, method, answer.status, time.perf_counter() - begun)
        finally:
            logs.REQUEST_ID.reset(token)

    async def _guarded(self, scope: Scope, receive: Receive, answer: Answer, headers: Mapping[bytes, bytes]) -> None:
        """Answer whatever the app does not; when its answer breaks off in the middle, the server hangs up."""
        length = headers.get(b"content-length", b"")
        declared = int(length[:16]) if length.isdigit() else 0
        body = LimitedBody(receive, self._policy.max_body, declared=declared)
        deadline = self._deadlines.begin()
        answer.ends(deadline)
        try:
            await self._app_for(scope, headers)(scope, body, answer)
        except (Exception, asyncio.CancelledError) as error:
            expired = deadline.expired and not deadline.task.uncancel()
            if isinstance(error, asyncio.CancelledError) and not expired:
                raise
            if answer.status:
                log.exception("answer broke off", path=scope["path"])
                return
            deadline.end()
            response = _too_late(scope, body) if expired else _failed(scope, error)
            await response(scope, receive, answer)
        finally:
            deadline.end()

    def _app_for(self, scope: Scope, headers: Mapping[bytes, bytes]) -> ASGIApp:
        """Who answers: the app, unless it need not be asked."""
        answer = misspelt(scope)
        if answer is not None:
            return self._guarding(answer)
        cors = self._policy.cors
        return (None if cors is None else cors.preflight(scope["method"], headers)) or self._app

    def _guarding(self, misspelt: Response) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if self._policy.before_misspelt is not None:
                await self._policy.before_misspelt(scope, receive)
            await misspelt(scope, receive, send)

        return answer

    def _account(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        which = (method, route, status)
        histogram = self._seconds.get(which)
        if histogram is None:
            histogram = self._seconds[which] = metrics.HTTP_SECONDS.labels(*which)
        histogram.observe(seconds)
        if scope["path"] not in _QUIET:
            told = scope["state"].get("logged", {})
            line = {"event": "request", "module": __name__, "method": method, "route": route, "status": status}
            logs.access(line | {"duration_ms": round(seconds * 1000, 2)} | told)


def _failed(scope: Scope, error: BaseException) -> Response:
    if isinstance(error, FlowTaskError):
        return error_response(error)
    if isinstance(error, RequestValidationError):
        return invalid_request(error)
    if isinstance(error, HTTPException):
        return framework(scope["method"], error)
    return unexpected(scope["path"], error)


def _too_late(scope: Scope, body: LimitedBody) -> Response:
    if body.awaited:
        log.info("request body did not come in time", path=scope["path"])
        return error_response(RequestTimedOut(), headers={"Connection": "close"})
    log.warning("request took too long", path=scope["path"])
    return error_response(ServiceUnavailable(retry_after=2))


def answer_headers(request: Request, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Have the answer of this request, whatever it will be, carry these headers; the latest call counts."""
    request.scope["state"]["answer_headers"] = tuple(headers)


def logged_with(request: Request, **ids: Any) -> None:
    """Have the log line of this request carry these ids; nothing that a person wrote belongs there."""
    request.scope["state"]["logged"] = ids
