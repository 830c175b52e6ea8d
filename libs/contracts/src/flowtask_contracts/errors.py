"""One tree of errors, the same over HTTP and in the replies of commands.

    FlowTaskError                  500 INTERNAL_ERROR
    +- ValidationFailed            400 VALIDATION_ERROR
    |  +- MalformedBody            400 MALFORMED_JSON
    +- BadRequest                  400 BAD_REQUEST
    +- Unauthorized                401 UNAUTHORIZED
    +- Forbidden                   403 FORBIDDEN
    +- NotFound                    404 NOT_FOUND
    +- MethodNotAllowed            405 METHOD_NOT_ALLOWED
    +- RequestTimedOut             408 REQUEST_TIMEOUT
    +- Conflict                    409 CONFLICT
    +- PreconditionFailed          412 PRECONDITION_FAILED
    +- PayloadTooLarge             413 PAYLOAD_TOO_LARGE
    +- UnsupportedMediaType        415 UNSUPPORTED_MEDIA_TYPE
    +- RateLimited                 429 RATE_LIMIT_EXCEEDED
    +- HeadersTooLarge             431 HEADERS_TOO_LARGE
    +- ServiceUnavailable          503 SERVICE_UNAVAILABLE

A feature's own errors are subclasses that change the message, for example `TaskNotFound(NotFound)`.
"""

from collections.abc import Sequence
from typing import ClassVar

from flowtask_contracts.base import Contract


class ErrorDetail(Contract):
    """What is wrong with one field; `field` is its dotted path, empty for the whole."""

    field: str
    message: str


def below(place: str, name: object) -> str:
    """The path of a field that a stranger has named, below another one: what of the name can be shown."""
    shown = "".join(each if each.isprintable() else "\ufffd" for each in str(name)[:_MOST_SHOWN])
    return f"{place}.{shown}"


_MOST_SHOWN = 60


class ErrorBody(Contract):
    """The `error` member of an envelope; `retry_after` is in whole seconds."""

    code: str
    message: str
    details: tuple[ErrorDetail, ...] = ()
    retry_after: int | None = None


class FlowTaskError(Exception):
    """An expected refusal with the HTTP status and the body that the caller sees."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    message: str = "Something went wrong on our side. Please try again later."

    def __init__(
        self,
        message: str | None = None,
        *,
        details: Sequence[ErrorDetail] = (),
        retry_after: int | None = None,
    ) -> None:
        if message is not None:
            self.message = message
        self.details = tuple(details)
        self.retry_after = retry_after
        super().__init__(self.message)

    @property
    def body(self) -> ErrorBody:
        """The wire form of this error."""
        return ErrorBody(code=self.code, message=self.message, details=self.details, retry_after=self.retry_after)


class ValidationFailed(FlowTaskError):
    """The request is readable but its content is not acceptable."""

    status = 400
    code = "VALIDATION_ERROR"
    message = "Validation failed"


class MalformedBody(ValidationFailed):
    """The body is not JSON at all."""

    code = "MALFORMED_JSON"
    message = "The request body is not valid JSON"


class BadRequest(FlowTaskError):
    """What came cannot be read as a request at all."""

    status = 400
    code = "BAD_REQUEST"
    message = "This is not a valid HTTP request"


class Unauthorized(FlowTaskError):
    """No credential, or one that we do not know."""

    status = 401
    code = "UNAUTHORIZED"
    message = "Unauthorized"
    challenge: ClassVar[str] = "Bearer"
    """What `WWW-Authenticate` says (RFC 6750, section 3)."""


class Forbidden(FlowTaskError):
    """A known caller without the role for this."""

    status = 403
    code = "FORBIDDEN"
    message = "You are not allowed to do this"


class NotFound(FlowTaskError):
    """Nothing of that id belongs to the caller's workspace."""

    status = 404
    code = "NOT_FOUND"
    message = "Not found"


class MethodNotAllowed(FlowTaskError):
    """The path exists, the method does not."""

    status = 405
    code = "METHOD_NOT_ALLOWED"
    message = "Method not allowed"


class RequestTimedOut(FlowTaskError):
    """The request did not come in time."""

    status = 408
    code = "REQUEST_TIMEOUT"
    message = "The request took too long to arrive"


class Conflict(FlowTaskError):
    """The request contradicts what is there."""

    status = 409
    code = "CONFLICT"
    message = "The request conflicts with the current state"


class PreconditionFailed(FlowTaskError):
    """What was to be changed is no longer what the caller has seen."""

    status = 412
    code = "PRECONDITION_FAILED"
    message = "This was changed in the meantime; read it again"


class PayloadTooLarge(FlowTaskError):
    """The body is larger than this server reads."""

    status = 413
    code = "PAYLOAD_TOO_LARGE"
    message = "The request body is too large"


class UnsupportedMediaType(FlowTaskError):
    """The body is not declared as JSON."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    message = "Send the body as application/json"


class RateLimited(FlowTaskError):
    """Too many requests in the window; `retry_after` says when the next one passes."""

    status = 429
    code = "RATE_LIMIT_EXCEEDED"
    message = "Too many requests. Please wait a moment and try again."


class HeadersTooLarge(FlowTaskError):
    """The request has more headers, or longer ones, than this server reads."""

    status = 431
    code = "HEADERS_TOO_LARGE"
    message = "The request headers are too large"


class ServiceUnavailable(FlowTaskError):
    """A part that this request needs does not answer now; the rest works."""

    status = 503
    code = "SERVICE_UNAVAILABLE"
    message = "Service temporarily unavailable. Please try again later."


_BY_CODE: dict[str, type[FlowTaskError]] = {
    kind.code: kind
    for kind in (
        FlowTaskError,
        ValidationFailed,
        MalformedBody,
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        RequestTimedOut,
        Conflict,
        PreconditionFailed,
        PayloadTooLarge,
        UnsupportedMediaType,
        RateLimited,
        HeadersTooLarge,
        ServiceUnavailable,
    )
}


def error_from(body: ErrorBody) -> FlowTaskError:
    """The error that another service answered with, to be raised here; an unknown code becomes an internal error."""
    kind = _BY_CODE.get(body.code)
    if kind is None:
        return FlowTaskError()
    return kind(body.message, details=body.details, retry_after=body.retry_after)
