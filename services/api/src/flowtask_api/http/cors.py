"""What pages of other origins may do: all that the API can, with a key of their own; never with a browser's credentials."""

from collections.abc import Iterable, Iterator, Sequence

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from flowtask_kit.http.cors import Cors

from ..auth.workspaces import WORKSPACE_HEADER
from ..documentation.headers import HEADERS

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_UNDECLARED = frozenset({"Authorization", "Content-Type", "If-None-Match", "X-Request-Id", WORKSPACE_HEADER})
"""What is read of every request, without a route that asks for it."""


def cors_of(origins: Sequence[str], routes: Iterable[BaseRoute]) -> Cors | None:
    """The rule for these origins: every header that the routes ask for may be sent, every one that is described be read.

    None, and no pages of other origins, without any origin.
    """
    if not origins:
        return None
    declared = {name for route in routes if isinstance(route, APIRoute) for name in _declared(route.dependant)}
    return Cors(origins, methods=METHODS, headers=sorted(_UNDECLARED | declared), exposed=tuple(HEADERS))


def _declared(dependant: Dependant) -> Iterator[str]:
    """The headers that a route and all that it depends on ask for."""
    yield from (field.alias for field in dependant.header_params)
    for dependency in dependant.dependencies:
        yield from _declared(dependency)
