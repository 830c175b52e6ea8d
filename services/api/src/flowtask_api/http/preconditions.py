"""Entity tags: whoever changes something can insist that it is still what they have seen (RFC 9110, 8.8.3 and 13.1).

A tag is the version of the resource, then the versions of what its representation shows of others: `"7"`, `"7.2"`. Any
of them makes another representation for `If-None-Match`; `If-Match` asks for the first alone, for that is what a write
would overwrite.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from flowtask_contracts.errors import PreconditionFailed

from .refusals import may_raise

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


NEW = 1
"""The version of what was just made."""


def etag(version: int, *shown: int) -> str:
    """The tag of a representation."""
    return '"' + ".".join(map(str, (version, *shown))) + '"'


@dataclass(frozen=True)
class Precondition:
    """The versions that the caller is ready to overwrite; None for any."""

    versions: frozenset[str] | None

    def check(self, version: int) -> None:
        """Raise PreconditionFailed unless this version is one of them."""
        if self.versions is not None and str(version) not in self.versions:
            raise PreconditionFailed


@may_raise(PreconditionFailed)
async def if_match(
    value: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="An `ETag` that was read before: the request takes effect only if nothing has changed since, else 412.",
        ),
    ] = None,
) -> Precondition:
    """The request's `If-Match`; weak and foreign tags match nothing."""
    if value is None or value.strip() == "*":
        return Precondition(None)
    return Precondition(frozenset(tag.partition(".")[0] for weak, tag in _TAG.findall(value) if not weak))


IfMatch = Annotated[Precondition, Depends(if_match)]


def not_modified(request: Request, response: Response) -> Response:
    """The response, or 304 in its place when it is what the caller already has."""
    tag, wanted = response.headers.get("etag"), request.headers.get("if-none-match")
    if tag is None or wanted is None or request.method != "GET":
        return response
    if wanted.strip() != "*" and tag not in {f'"{known}"' for _, known in _TAG.findall(wanted)}:
        return response
    return Response(status_code=304, headers={"ETag": tag})
