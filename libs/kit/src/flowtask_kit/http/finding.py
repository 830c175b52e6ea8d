"""Finding the route of a path without trying all of them in turn, which costs more than many a route does."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

_LITERAL = 3
"""How many of the first segments tell routes apart; the rest is left to the routes themselves."""

Shape = tuple[int, tuple[str, ...]]
"""How many segments a path has, and the first of them."""


class Finder:
    """Serves requests by the first of the routes that takes them; what none of these takes goes to `otherwise`, unchanged.

    A route whose first segments are not literal ends the list: it, and all after it, are for `otherwise`.
    """

    def __init__(self, routes: Sequence[BaseRoute], otherwise: ASGIApp) -> None:
        self._otherwise = otherwise
        self._shapes: dict[Shape, list[Route]] = {}
        for route in routes:
            if not isinstance(route, Route) or not _is_literal(route.path):
                break
            self._shapes.setdefault(_shape(route.path), []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        for route in self._shapes.get(_shape(scope["path"]), ()):
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                await route.handle(scope, receive, send)
                return
        await self._otherwise(scope, receive, send)


def _shape(path: str) -> Shape:
    segments = path.split("/")
    return len(segments), tuple(segments[1 : _LITERAL + 1])


def _is_literal(path: str) -> bool:
    """Whether paths of this route are told by their shape: parameters come later, and none has slashes in it."""
    return ":path}" not in path and not any("{" in segment for segment in path.split("/")[1 : _LITERAL + 1])
