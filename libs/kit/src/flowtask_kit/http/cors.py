"""Pages of other origins that may call: named ones only, without credentials of the browser's (https://fetch.spec.whatwg.org)."""

from collections.abc import Mapping, Sequence

from starlette.responses import Response

MAX_AGE_SECONDS = 7200
"""How long a browser may remember the answer to its question; Chromium remembers no longer."""


class Cors:
    """Which origins may call, with what, and which headers of the answer they may read."""

    def __init__(
        self, origins: Sequence[str], *, methods: Sequence[str], headers: Sequence[str], exposed: Sequence[str]
    ) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)
        self._exposed = (b"access-control-expose-headers", ", ".join(exposed).encode())
        self._granted = {
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": ", ".join(headers),
            "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
        }

    def headers_for(self, origin: bytes | None) -> tuple[tuple[bytes, bytes], ...]:
        """What an answer to this origin says; nothing to an origin that is not named."""
        if origin not in self._origins or origin is None:
            return ()
        return ((b"access-control-allow-origin", origin), self._exposed)

    def preflight(self, method: str, headers: Mapping[bytes, bytes]) -> Response | None:
        """The answer to a browser that asks before it calls; None for any other request."""
        if method != "OPTIONS" or b"access-control-request-method" not in headers:
            return None
        return Response(status_code=204, headers=self._granted) if headers.get(b"origin") in self._origins else None
