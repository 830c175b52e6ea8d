"""Signing in with Clerk, as the API's description tells of it."""

from typing import Any

from ..auth.workspaces import WORKSPACE_HEADER

SCHEME = "ClerkSession"

_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The session token of a person who is signed in with Clerk, where the operator has turned that on.",
}
_WORKSPACE = {
    "name": WORKSPACE_HEADER,
    "in": "header",
    "required": False,
    "description": "With a session token: the id of the workspace that is meant. Without it, the one of the token's "
    "organization, else the personal one. An API key belongs to one workspace: naming another is a 400.",
    "schema": {"type": "string", "format": "uuid"},
}


def describe(spec: dict[str, Any]) -> dict[str, Any]:
    """The description with session tokens beside API keys; written in here, because a dependency would cost each request."""
    components = spec.setdefault("components", {})
    components.setdefault("securitySchemes", {})[SCHEME] = _SCHEME
    for methods in spec.get("paths", {}).values():
        for operation in methods.values():
            if operation.get("security") and {SCHEME: []} not in operation["security"]:
                operation["security"].append({SCHEME: []})
                operation.setdefault("parameters", []).append(dict(_WORKSPACE))
    return spec
