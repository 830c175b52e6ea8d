"""One address for one thing: what stands for a path in another spelling is sent there, what is ambiguous is not found."""

import re

from starlette.responses import Response
from starlette.types import Scope

from flowtask_contracts.errors import NotFound
from flowtask_kit.http.envelope import error_response

_PLAIN = re.compile(rb"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+")


def misspelt(scope: Scope) -> Response | None:
    """The answer to a path that is not spelt as it should be; None for one that is.

    One slash too many at the end is a 308 to the path without it, whatever the method, with the query kept. Doubled,
    encoded and reversed slashes are not found: nothing may be read as two different paths by two readers.
    """
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    if b"//" in raw or b"\\" in raw or (b"%" in raw and (b"%2f" in raw.lower() or b"%5c" in raw.lower())):
        return error_response(NotFound())
    if not raw.endswith(b"/") or raw == b"/":
        return None
    if not _PLAIN.fullmatch(raw[:-1]):
        return error_response(NotFound())
    query = scope.get("query_string", b"")
    target = raw[:-1] + (b"?" + query if query else b"")
    return Response(status_code=308, headers={"Location": target.decode("latin-1")})
