"""The one shape of every JSON answer: `{"data", "meta", "error"}`."""

from typing import Any, Generic, TypeVar

import orjson
from starlette.responses import Response

from flowtask_contracts.base import Contract
from flowtask_contracts.errors import ErrorBody, FlowTaskError

T = TypeVar("T")


class PageMeta(Contract):
    """Where a page stands: by number (`total` is exact up to 10,000) or by cursor, whichever was asked for."""

    page: int | None = None
    per_page: int | None = None
    total: int | None = None
    total_capped: bool | None = None
    next_cursor: str | None = None


class Envelope(Contract, Generic[T]):
    """A successful answer."""

    data: T
    meta: PageMeta | None = None
    error: None = None


class ErrorEnvelope(Contract):
    """A refusal."""

    data: None = None
    meta: None = None
    error: ErrorBody


def error_response(error: FlowTaskError, headers: dict[str, str] | None = None) -> Response:
    """The refusal as a response, with `Retry-After` where the error knows when."""
    sent = dict(headers or {})
    if error.retry_after is not None:
        sent["Retry-After"] = str(error.retry_after)
    body = ErrorEnvelope(error=error.body).model_dump(mode="json", by_alias=True)
    if body["error"]["retryAfter"] is None:
        del body["error"]["retryAfter"]
    return JsonResponse(body, status_code=error.status, headers=sent)


class JsonResponse(Response):
    """JSON written by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return orjson.dumps(content)
