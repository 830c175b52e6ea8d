"""What the shell of a service lets through, and what it adds to every answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import Receive, Scope

from flowtask_kit.http.cors import Cors

Guard = Callable[[Scope, Receive], Awaitable[None]]

MAX_BODY_BYTES = 1024 * 1024

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


@dataclass(frozen=True)
class Policy:
    """How a service meets the web. `request_seconds` is how long a request may take to come and, with that, to be answered.

    `https` is true when callers reach the service by https alone; `cors` names the pages of other origins that may call.
    `before_misspelt` is asked before a path that is not spelt as it should be is answered, and may refuse the request.
    """

    request_seconds: float = 30.0
    max_body: int = MAX_BODY_BYTES
    https: bool = False
    cors: Cors | None = None
    before_misspelt: Guard | None = None

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers that every answer has."""
        vary = b"Accept-Encoding" if self.cors is None else b"Accept-Encoding, Origin"
        return (*_ALWAYS, (b"vary", vary), *((_HSTS,) if self.https else ()))
