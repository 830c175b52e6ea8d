"""Turning every failure into the envelope: expected refusals as they are, the unexpected as 500 that shows nothing."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from flowtask_contracts.errors import (
    FlowTaskError,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    ServiceUnavailable,
    ValidationFailed,
)
from flowtask_kit import logs
from flowtask_kit.http.envelope import error_response
from flowtask_kit.outages import is_outage
from flowtask_kit.validation import details_of

log = logs.get(__name__)

_BY_STATUS: Mapping[int, type[FlowTaskError]] = {
    kind.status: kind
    for kind in (
        MalformedBody,  # the framework says 400 only when it cannot read a body
        NotFound,
        MethodNotAllowed,
        PayloadTooLarge,  # our own limit says it in the framework's way
    )
}
_MALFORMED = {"json_invalid", "json_type"}
_PLACES = {"body", "query", "path", "header", "cookie"}


def framework(method: str, error: HTTPException) -> Response:
    """A refusal of the framework's own (no such path, no such method), with its headers.

    A path is asked for its methods by OPTIONS: every 405 knows them, HEAD and OPTIONS among them.
    """
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(headers.get("Allow", ""))
        if method == "OPTIONS":
            return Response(status_code=204, headers=headers)
    kind = _BY_STATUS.get(error.status_code, ValidationFailed if error.status_code < 500 else FlowTaskError)  # noqa: PLR2004
    return error_response(kind(), headers=headers)


def _allowed(methods: str) -> str:
    named = {method.strip() for method in methods.split(",") if method.strip()} | {"OPTIONS"}
    return ", ".join(sorted(named | {"HEAD"} if "GET" in named else named))


def invalid_request(error: RequestValidationError) -> Response:
    """What the framework finds wrong with a request."""
    problems = list(error.errors())
    if any(problem["type"] in _MALFORMED for problem in problems):
        return error_response(MalformedBody())
    return error_response(invalid(problems))


def unexpected(path: str, error: BaseException) -> Response:
    """503 for an outage of ours, 500 for anything else; what happened is in the log under the request's id."""
    if is_outage(error):
        log.warning("request met an outage", path=path, error=repr(error))
        return error_response(ServiceUnavailable(retry_after=2))
    log.error("request failed", path=path, exc_info=error)
    return error_response(FlowTaskError())


def invalid(problems: Iterable[Mapping[str, Any]]) -> ValidationFailed:
    """Pydantic's findings as a refusal; where in the request a field stood is left out of its path."""
    return ValidationFailed(details=details_of({**problem, "loc": _path(problem["loc"])} for problem in problems))


def _path(place: Sequence[int | str]) -> Sequence[int | str]:
    return place[1:] if place and place[0] in _PLACES else place
