"""Files that are the same for everybody: sent whole, compressed, or not at all when the caller has them."""

import asyncio
import gzip
import hashlib
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from flowtask_kit.http.answers import accepts_gzip

ALWAYS_ASK = "public, no-cache"
FOR_EVER = "public, max-age=31536000, immutable"
"""For addresses that hold the digest of what is there."""


@dataclass
class File:
    """The bytes of a file and how they are sent."""

    body: bytes
    media_type: str
    cache: str = ALWAYS_ASK
    policy: str | None = None
    packed: bytes | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """What tells this content from any other."""
        return hashlib.sha256(self.body).hexdigest()[:16]

    async def answer(self, request: Request) -> Response:
        """The file, or 304; another encoding has another tag (RFC 9110, 8.8.3.3)."""
        zipped = accepts_gzip(request.headers.get("accept-encoding", "").encode("latin-1"))
        tag = f'"{self.digest}{"-gzip" if zipped else ""}"'
        headers = {"ETag": tag, "Cache-Control": self.cache}
        if tag in {each.strip() for each in request.headers.get("if-none-match", "").split(",")}:
            return Response(status_code=304, headers=headers)
        if self.policy is not None:
            headers["Content-Security-Policy"] = self.policy
        if not zipped:
            return Response(self.body, media_type=self.media_type, headers=headers)
        if self.packed is None:
            self.packed = await asyncio.to_thread(gzip.compress, self.body, 9, mtime=0)
        return Response(self.packed, media_type=self.media_type, headers={**headers, "Content-Encoding": "gzip"})
