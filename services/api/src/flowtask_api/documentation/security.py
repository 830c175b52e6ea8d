"""How callers show who they are, as the description tells of it: a dependency for it would cost each request."""

from collections.abc import Iterable
from typing import Any

from ..auth.routing import ApiRoute
from ..auth.workspaces import WORKSPACE_HEADER

_SCHEMES = {
    "ApiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key: `ft_` and 64 hexadecimal digits.",
    },
    "ClerkSession": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The session token of a person who is signed in with Clerk, where the operator has turned that on.",
    },
}
_WORKSPACE = {
    "name": WORKSPACE_HEADER,
    "in": "header",
    "required": False,
    "description": "With a session token: the id of the workspace that is meant. Without it, the one of the token's "
    "organization, else the personal one. An API key belongs to one workspace: naming another is a 400.",
    "schema": {"type": "string", "format": "uuid"},
}


def describe(document: dict[str, Any], routes: Iterable[Any]) -> None:
    """Have each operation of the API take either credential."""
    document["components"]["securitySchemes"] = _SCHEMES
    for route in routes:
        if isinstance(route, ApiRoute):
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                operation["security"] = [{name: []} for name in _SCHEMES]
                operation.setdefault("parameters", []).append(dict(_WORKSPACE))
