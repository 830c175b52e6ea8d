"""Which refusals an operation has, each with an example of its body."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi.routing import APIRoute

from flowtask_contracts.errors import (
    ErrorDetail,
    FlowTaskError,
    MalformedBody,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    RequestTimedOut,
    ServiceUnavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from flowtask_kit.http.envelope import body_of

from ..auth.errors import MissingScope, MoreThanHeld
from ..auth.routing import ApiRoute
from ..auth.workspaces import WORKSPACE_HEADER
from ..http.refusals import Refusal, refusals_of

_WITH_A_BODY: tuple[Refusal, ...] = (
    ValidationFailed,
    MalformedBody,
    RequestTimedOut,
    PayloadTooLarge,
    UnsupportedMediaType,
)
_ALWAYS: tuple[Refusal, ...] = (FlowTaskError, ServiceUnavailable)
_RETRY_AFTER: dict[int, int] = {429: 12, 503: 2}


def refusals(route: APIRoute, required: Iterable[str]) -> dict[int, dict[str, FlowTaskError]]:
    """The refusals of a route by status, each with its name and an instance; `required` are fields its body must have."""
    found: dict[int, dict[str, FlowTaskError]] = defaultdict(dict)
    for kind in dict.fromkeys(_kinds(route)):
        found[kind.status][kind.__name__] = _instance(kind, route, list(required))
    return dict(sorted(found.items()))


def _kinds(route: APIRoute) -> Iterator[Refusal]:
    marked = list(refusals_of(route.dependant))
    yield from marked
    if route.body_field is not None:
        yield from _WITH_A_BODY
    elif route.dependant.query_params:
        yield ValidationFailed
    if "{" in route.path and not any(issubclass(kind, NotFound) for kind in marked):
        yield NotFound
    yield from _ALWAYS


def _instance(kind: Refusal, route: APIRoute, required: list[str]) -> FlowTaskError:
    if kind is ValidationFailed:
        return ValidationFailed(details=[_detail(route, required)])
    if kind is MissingScope:
        assert isinstance(route, ApiRoute)
        return MissingScope(route.access)
    if kind is MoreThanHeld:
        return MoreThanHeld(["admin"])
    return kind(retry_after=_RETRY_AFTER.get(kind.status) or (1 if issubclass(kind, RateLimited) else None))


def _detail(route: APIRoute, required: list[str]) -> ErrorDetail:
    if required:
        return ErrorDetail(field=required[0], message="This field is required")
    if route.body_field is not None or route.dependant.query_params:
        return ErrorDetail(field="colour", message="Extra inputs are not permitted")
    return ErrorDetail(field=WORKSPACE_HEADER, message="must be the id of a workspace")


def described(errors: dict[str, FlowTaskError]) -> dict[str, Any]:
    """The Response Object of refusals with one status."""
    return {
        "description": " ".join(dict.fromkeys(_sentence(type(error)) for error in errors.values())),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorEnvelope"},
                "examples": {
                    name: {"summary": error.message, "value": body_of(error)} for name, error in errors.items()
                },
            }
        },
    }


def _sentence(kind: Refusal) -> str:
    if kind is FlowTaskError:
        return "Something went wrong on our side."
    return " ".join(str(kind.__doc__).partition("\n\n")[0].split())
