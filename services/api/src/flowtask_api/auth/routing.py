"""The order of refusals: a stranger learns nothing but 401, and an id that cannot be one is simply not found."""

from collections.abc import Callable, Coroutine
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any, ClassVar

import orjson
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from flowtask_contracts.errors import NotFound, UnsupportedMediaType
from flowtask_kit.http.envelope import ErrorEnvelope

from ..http.dependencies import resources_of
from ..http.plan import Plan, declares_json
from ..http.preconditions import not_modified
from ..idempotency.dependencies import Repeated, keep_answer
from .dependencies import ADMINISTERING, CONFIDING, authenticate, identify
from .scopes import READING, Access, Resource

PREFIX = "/api/v1"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _JsonRequest(Request):
    """A request whose JSON is read strictly: no NaN, no lone surrogates, no nesting without end."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class ApiRoute(APIRoute):
    """A route that answers 401 before any 400, 404 for malformed ids, and 415 for what is not declared as JSON.

    The request's `DirectTx` commits here, after the route has returned and before its answer is sent.

    Keys reach it by the scopes of its `resource`, which `api_router` sets; without one nobody reaches it at all.
    """

    resource: ClassVar[Resource]

    @cached_property
    def access(self) -> Access:
        """What a key must be permitted before the route is entered."""
        writing = not READING.issuperset(self.methods or ()) or _depends_on(CONFIDING, self.dependant)
        return Access.to(self.resource, writing=writing, administrative=_depends_on(ADMINISTERING, self.dependant))

    @cached_property
    def _plan(self) -> Plan | None:
        return Plan.of(self)

    def get_route_handler(self) -> Handler:
        """The framework's handler, with refusals put in order."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            return await self._guarded(_JsonRequest(request.scope, request.receive), handle)

        return guarded

    async def _guarded(self, request: Request, handle: Handler) -> Response:
        await authenticate(request, self.access)
        resources = resources_of(request)
        try:
            async with resources.direct.transaction(resources.wake) as tx:
                request.state.tx = tx
                response = await handle(request)
                await keep_answer(request, response)
        except Repeated as repeated:
            return repeated.answer
        except RequestValidationError as error:
            _refuse_plainer(request, error)
            raise
        return not_modified(request, response)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; for another method than this route's, name all that the path has."""
        if self.methods is not None and scope["method"] not in self.methods:
            await _identify(scope, receive)
            others = (route for route in scope["app"].routes if isinstance(route, ApiRoute) and route.path == self.path)
            allowed = sorted({method for route in others for method in route.methods or ()})
            raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
        if self._plan is None:
            await super().handle(scope, receive, send)
            return
        response = await self._guarded(_JsonRequest(scope, receive), self._plan.answer)
        await response(scope, receive, send)


class Unmatched:
    """What a path that no route has comes to: not found, and below `/api/v1` not even that for a stranger."""

    def __init__(self, not_found: ASGIApp) -> None:
        self._not_found = not_found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or end a lifespan or socket as the framework does."""
        if scope["type"] == "http":
            await known_below_the_prefix(scope, receive)
        await self._not_found(scope, receive, send)


async def known_below_the_prefix(scope: Scope, receive: Receive) -> None:
    """Have it known who asks for a path below `/api/v1`, however it is spelt, before they learn that there is none."""
    if f"{scope['path']}/".startswith(f"{PREFIX}/"):
        await _identify(scope, receive)


async def _identify(scope: Scope, receive: Receive) -> None:
    """Have the caller known, and counted, who is about to be refused; whoever asks for a path's methods need be nobody."""
    if scope["method"] != "OPTIONS":
        await identify(Request(scope, receive))


def api_router(tag: str, prefix: str = "", *, resource: Resource) -> APIRouter:
    """A feature's router under /api/v1, for the scopes of one resource; the app takes its routes as they are."""
    route_class = type("ApiRoute", (ApiRoute,), {"resource": resource})
    return APIRouter(
        prefix=f"{PREFIX}{prefix}",
        route_class=route_class,
        tags=[tag],
        responses={"default": {"model": ErrorEnvelope}},  # the description tells each refusal by itself
    )


def _depends_on(any_of: AbstractSet[object], dependant: Dependant) -> bool:
    return dependant.call in any_of or any(_depends_on(any_of, each) for each in dependant.dependencies)


def _refuse_plainer(request: Request, error: RequestValidationError) -> None:
    places = {problem["loc"][0] for problem in error.errors()}
    if "path" in places:
        raise NotFound from error
    if "body" in places and "content-length" in request.headers and not declares_json(request):
        raise UnsupportedMediaType from error
