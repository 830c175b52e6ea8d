"""The description of the API in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1.html), made from its routes."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from .examples import Examples
from .headers import HEADERS
from .naming import camel_path
from .operations import Operation
from .prose import DESCRIPTION, TAGS, TITLE, VERSION
from .schemas import tidy_schemas
from .security import describe as describe_credentials

Document: TypeAlias = dict[str, Any]

PREFIX = "/api/v1"
PRODUCTION = "https://flowtask.app/api/v1"


def document(routes: Iterable[Any], public_url: str | None) -> tuple[Document, set[str]]:
    """The description of these routes, and the places that still need an example (a test keeps that set empty).

    The first server is the one that is asked: `public_url`, or the origin of the document. Paths are relative to it.
    """
    described = [route for route in routes if isinstance(route, APIRoute) and route.include_in_schema]
    made = get_openapi(title=TITLE, version=VERSION, description=DESCRIPTION, routes=described)
    tidy_schemas(made)
    examples = Examples(made["components"]["schemas"])
    operations = {
        (method, route.path_format): Operation(route, method, made["paths"][route.path_format][method.lower()])
        for route in described
        for method in route.methods or ()
    }
    for operation in operations.values():
        operation.complete(operations, examples)
    describe_credentials(made, described)
    own = public_url.rstrip("/") if public_url else ""
    made["servers"] = [{"url": own + PREFIX, "description": "This server"}] + (
        [{"url": PRODUCTION, "description": "FlowTask"}] if own + PREFIX != PRODUCTION else []
    )
    used = {tag for operation in operations.values() for tag in operation.document["tags"]}
    made["tags"] = [{"name": name, "description": TAGS.get(name, "")} for name in sorted(used, key=_place)]
    made["paths"] = _paths(made["paths"], own)
    made["components"]["headers"] = HEADERS
    made["components"]["responses"] = _shared_refusals(made["paths"])
    return made, examples.missing


def _shared_refusals(paths: Mapping[str, Any]) -> dict[str, Any]:
    """Refusals that several operations have alike, told once; in their places stand references."""
    told: dict[str, Any] = {}
    for item in paths.values():
        for operation in item.values() if isinstance(item, dict) else ():
            answers = operation.get("responses", {})
            for status, answer in answers.items():
                if not status.startswith(("4", "5")):
                    continue
                name = ".".join(answer["content"]["application/json"]["examples"])
                if told.setdefault(name, answer) == answer:
                    answers[status] = {"$ref": f"#/components/responses/{name}"}
    return told


def _place(tag: str) -> int:
    known = list(TAGS)
    return known.index(tag) if tag in known else len(known)


def _paths(paths: Mapping[str, Any], own: str) -> dict[str, Any]:
    """Paths as the server's URL continues; what lies outside of /api/v1 names its own server."""
    found = {}
    for path, item in paths.items():
        shown = camel_path(path)
        if shown.startswith(f"{PREFIX}/"):
            found[shown.removeprefix(PREFIX)] = item
        else:
            found[shown] = {"servers": [{"url": own or "/"}], **item}
    return found
