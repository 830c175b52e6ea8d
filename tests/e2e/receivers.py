"""A receiver as a customer would run one: keeps every request byte for byte and answers as it is told."""

import asyncio
import hashlib
import hmac
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

from standardwebhooks import Webhook


@dataclass(frozen=True, slots=True)
class Request:
    """One POST as it came; `at` is `time.perf_counter`, read when the last byte was there."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def document(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


def verifies_as_standard_webhook(secret: str, request: Request) -> bool:
    """Checked by the reference library of the Standard Webhooks project; raises if it refuses."""
    Webhook(secret).verify(request.body, request.headers)
    return True


def verifies_as_plain_hmac(secret: str, request: Request) -> bool:
    """Checked with nothing but the standard library, as FlowTask's documentation says."""
    expected = "sha256=" + hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, request.headers["x-flowtask-signature"])


class Receiver:
    """An HTTP/1.1 server on loopback. `answer` decides the status of each request, at once or after a while, before it is kept.

    `accepted` holds the ids of the resources whose webhooks were answered with 200.
    """

    def __init__(self, answer: Callable[[str, dict[str, str], bytes], int | Awaitable[int]] | None = None) -> None:
        self._answer = answer or (lambda _path, _headers, _body: 200)
        self.requests: list[Request] = []
        self.by_event: dict[str, list[Request]] = defaultdict(list)
        self.accepted: set[str] = set()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.close()
        await self._server.wait_closed()

    def url(self, path: str = "/hooks") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def until(self, condition: Callable[[], bool], *, seconds: float = 60.0) -> None:
        """Wait until something holds, looking again after each request."""
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            assert left > 0, f"did not come to hold within {seconds} s; {len(self.requests)} requests came"
            self._changed.clear()
            try:
                async with asyncio.timeout(min(left, 0.25)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                await self._one(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        at = time.perf_counter()
        status = self._answer(path, headers, body)
        if not isinstance(status, int):
            status = await status
        request = Request(at, path, headers, body, status)
        self.requests.append(request)
        self.by_event[headers["webhook-id"]].append(request)
        if status == 200:
            self.accepted.add(request.document["data"]["id"])
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        self._changed.set()
