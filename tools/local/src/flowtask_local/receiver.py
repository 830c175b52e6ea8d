"""A webhook receiver on a free port of 127.0.0.1."""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from .ports import HOST

_MOST_BYTES = 8 * 1024 * 1024
_DISCARD_SECONDS = 1.0
_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(frozen=True)
class Arrival:
    """One request: `at` is the `perf_counter` at which its body was there; header names are in lower case."""

    at: float
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What a request is answered: any status from 200 on, and headers beside those that frame the body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Reply = Callable[[Answer], None]
Take = Callable[[Arrival, Reply], None]
"""Gets a request, and the function that answers it, which it calls once; what it does afterwards holds nobody up."""


class Receiver:
    """While it is entered, hands every POST to `take`, each in a thread of its own. Bodies go up to 8 MiB."""

    def __init__(self, take: Take) -> None:
        self._server = _Server((HOST, 0), _Handler)
        self._server.take = take
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._server.server_port}/webhooks"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    take: Take

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a caller who hangs up."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Read the body, note the moment, hand it on. A body whose length is not said or too large is refused."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif int(length[:20]) > _MOST_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            body = self.rfile.read(int(length))
            at = time.perf_counter()
            arrival = Arrival(at, {name.lower(): value for name, value in self.headers.items()}, body)
            self.server.take(arrival, self._reply)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: whoever receives shows what arrives."""

    def _reply(self, answer: Answer) -> None:
        """Send the answer; a caller who no longer waits for it misses it."""
        with contextlib.suppress(OSError):
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status in _WITHOUT_BODY:
                self.end_headers()
            else:
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer, and read on for a moment: a caller whose bytes meet a closed connection never sees the answer."""
        self.close_connection = True
        self._reply(Answer(status, {"Connection": "close"}))
        end = time.monotonic() + _DISCARD_SECONDS
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_DISCARD_SECONDS)
            while time.monotonic() < end and self.rfile.read1(65536):
                continue
