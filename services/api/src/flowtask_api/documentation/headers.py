"""The headers of answers, as the description tells them."""

from typing import Any

_INTEGER = {"type": "integer"}
_TEXT = {"type": "string"}


def _header(description: str, schema: dict[str, Any], example: Any, *, always: bool = True) -> dict[str, Any]:
    return {"description": description, "required": always, "schema": schema, "example": example}


HEADERS: dict[str, Any] = {
    "X-Request-Id": _header(
        "The id of this request: yours where it was short and plain, else a new one.",
        _TEXT,
        "01a2037e-ff3e-7a81-8373-e3db8b52c7db",
    ),
    "X-RateLimit-Limit": _header("Requests, or writes, that may be made in any 60 seconds.", _INTEGER, 100),
    "X-RateLimit-Remaining": _header("How many of them are left.", _INTEGER, 99),
    "X-RateLimit-Reset": _header(
        "Unix time, in seconds, at which the oldest call that counts leaves the window.", _INTEGER, 1795354973
    ),
    "RateLimit": _header(
        "The same in the words of draft-ietf-httpapi-ratelimit-headers: what is left, and for how many seconds.",
        _TEXT,
        '"requests";r=99;t=60',
    ),
    "RateLimit-Policy": _header("All limits that count this request.", _TEXT, '"requests";q=100;w=60'),
    "Retry-After": _header("Seconds after which to send the request again.", _INTEGER, 12),
    "ETag": _header("The version of what is in the body, for `If-Match` and `If-None-Match`.", _TEXT, '"1"'),
    "Location": _header("The path of what was created.", _TEXT, "/api/v1/tasks/01a20400-0000-7000-8000-000000000000"),
    "Idempotency-Replayed": _header(
        "`true` on the answer to a repeat of an Idempotency-Key, which is the first answer again.",
        {"type": "string", "enum": ["true"]},
        "true",
        always=False,
    ),
    "WWW-Authenticate": _header("How to authenticate.", _TEXT, "Bearer"),
}

LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy")

_LIMITED = frozenset({200, 201, 202, 204, 304, 401, 403, 409, 412, 429})
"""The statuses whose every answer comes after the request was counted; a 404 can come from outside `/api/v1`, where dots in a path lead."""


def headers_of(status: int, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """The headers of answers with a status."""
    names = ["X-Request-Id", *(LIMITS if status in _LIMITED else ()), *more]
    if status in {429, 503}:
        names.append("Retry-After")
    if status == 401:  # noqa: PLR2004 - the status is the fact
        names.append("WWW-Authenticate")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
