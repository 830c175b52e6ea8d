"""What every answer carries, and how it is written: without a body for HEAD, compressed where that pays."""

import asyncio
import gzip
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from starlette.types import Message, Send

from flowtask_kit.http.deadlines import Deadline

COMPRESSED_FROM = 1024
"""Bytes of JSON from which compressing saves more than it costs."""
_ASIDE_FROM = 64 * 1024
_LEVEL = 1  # three times as fast as the default, for a tenth more bytes

Headers = Sequence[tuple[bytes, bytes]]

_NO_STORE = (b"cache-control", b"no-store")
_REVALIDATED = (b"cache-control", b"private, no-cache")
_NOTHING_LOADS = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Answer:
    """A send that adds the headers of every answer, and remembers the status.

    An answer that says nothing of caches may not be stored, or, where it has an entity tag, not be used unasked.
    Answers that were marked `no-store` may hold secrets and are never compressed (BREACH, https://breachattack.com);
    those with an entity tag neither, for another encoding would need another tag (RFC 9110, 8.8.3.3).
    """

    __slots__ = ("_accepts_gzip", "_deadline", "_held", "_send", "_state", "always", "head", "status")

    def __init__(self, send: Send, state: MutableMapping[str, Any], always: Headers, *, accepts_gzip: bool) -> None:
        self._send = send
        self._state = state
        self._accepts_gzip = accepts_gzip
        self._held: Message | None = None
        self._deadline: Deadline | None = None
        self.always = always
        self.head = False
        self.status = 0

    def ends(self, deadline: Deadline) -> None:
        """Have the answer, once it has begun, no longer be cut by this deadline."""
        self._deadline = deadline

    async def __call__(self, message: Any) -> None:
        """Send one message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._deadline is not None:
                self._deadline.end()
            headers = list(message.get("headers", ()))
            said = dict(headers)
            self._complete(headers, said)
            message["headers"] = headers
            if self._accepts_gzip and _worth_compressing(said):
                self._held = message
                return
        elif self._held is not None:
            message, start = await _compressed(message, self._held), self._held
            self._held = None
            await self._send(start)
        if self.head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def _complete(self, headers: list[tuple[bytes, bytes]], said: Mapping[bytes, bytes]) -> None:
        if b"cache-control" not in said:
            headers.append(_REVALIDATED if b"etag" in said else _NO_STORE)
        if b"content-security-policy" not in said:
            headers.append(_NOTHING_LOADS)
        headers.extend(self.always)
        headers.extend(self._state.get("answer_headers", ()))
        headers.append((b"x-request-id", self._state["request_id"].encode("latin-1")))


def _worth_compressing(said: Mapping[bytes, bytes]) -> bool:
    length = said.get(b"content-length", b"0")
    return (
        (len(length) > 4 or int(length) >= COMPRESSED_FROM)  # noqa: PLR2004 - five digits are more than 1024
        and said.get(b"content-type", b"").startswith(b"application/json")
        and b"content-encoding" not in said
        and b"etag" not in said
        and b"no-store" not in said.get(b"cache-control", b"")
    )


async def _compressed(message: Message, start: Message) -> Message:
    """The message with its body compressed, and the head of its answer changed to say so; a stream stays as it is."""
    if message.get("more_body"):
        return message
    body = message["body"]
    if len(body) < _ASIDE_FROM:
        packed = gzip.compress(body, _LEVEL, mtime=0)
    else:
        packed = await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
    kept = [header for header in start["headers"] if header[0] != b"content-length"]
    start["headers"] = [*kept, (b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(packed))]
    return {**message, "body": packed}


def accepts_gzip(value: bytes) -> bool:
    """Whether an Accept-Encoding takes gzip (RFC 9110, 12.5.3)."""
    if b"gzip" not in value and b"*" not in value:
        return False
    qualities: dict[bytes, bool] = {}
    for entry in value.split(b","):
        coding, _, parameter = entry.partition(b";")
        quality = parameter.strip().lower().removeprefix(b"q=").strip(b"0.")
        qualities[coding.strip().lower()] = not parameter or bool(quality)
    return qualities.get(b"gzip", qualities.get(b"*", False))
