"""The one shape of every JSON answer: `{"data", "meta", "error"}`."""

import operator
from typing import Any, Generic, TypeVar

import orjson
from pydantic import Field
from starlette.responses import Response

from flowtask_contracts.base import Contract
from flowtask_contracts.errors import ErrorBody, FlowTaskError, Unauthorized

T = TypeVar("T")


class PageMeta(Contract):
    """Where a numbered page stands; `total` is exact up to 10,000, and `total_capped` is there when it is more."""

    page: int
    per_page: int
    total: int
    total_capped: bool = Field(default=False, exclude_if=operator.not_)


class CursorMeta(Contract):
    """Where a page by cursor stands; `next_cursor` is null on the last one."""

    per_page: int
    next_cursor: str | None


class Envelope(Contract, Generic[T]):
    """A successful answer."""

    data: T
    meta: PageMeta | CursorMeta | None = None
    error: None = None


class ErrorEnvelope(Contract):
    """A refusal."""

    data: None = None
    meta: None = None
    error: ErrorBody


def error_response(error: FlowTaskError, headers: dict[str, str] | None = None) -> Response:
    """The refusal as a response, with `Retry-After` where the error knows when and the scheme that a 401 must name."""
    sent = dict(headers or {})
    if isinstance(error, Unauthorized):
        sent["WWW-Authenticate"] = error.challenge
    if error.retry_after is not None:
        sent["Retry-After"] = str(error.retry_after)
    return JsonResponse(body_of(error), status_code=error.status, headers=sent)


def body_of(error: FlowTaskError) -> dict[str, Any]:
    """The document in which a refusal is told; `retryAfter` is there only where the error knows when."""
    body = ErrorEnvelope(error=error.body).model_dump(mode="json", by_alias=True)
    if body["error"]["retryAfter"] is None:
        del body["error"]["retryAfter"]
    return body


class JsonResponse(Response):
    """JSON written by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return orjson.dumps(content)
