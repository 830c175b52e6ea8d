"""What pages of other origins may do: all that the API can, with a key of their own; never with a browser's credentials."""

from collections.abc import Sequence

from flowtask_kit.http.cors import Cors

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Request-Id",
)
EXPOSED_HEADERS = (
    "X-Request-Id",
    "ETag",
    "Location",
    "Retry-After",
    "Idempotency-Replayed",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "RateLimit",
    "RateLimit-Policy",
)


def cors_of(origins: Sequence[str]) -> Cors | None:
    """The rule for these origins; None, and no pages of other origins, without any."""
    if not origins:
        return None
    return Cors(origins, methods=METHODS, headers=REQUEST_HEADERS, exposed=EXPOSED_HEADERS)
