"""A webhook receiver on a free port of 127.0.0.1."""

import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from ..ports import HOST


@dataclass(frozen=True)
class Arrival:
    """One request: `at` is the `perf_counter` at which its body was there; header names are in lower case."""

    at: float
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """While it is entered, takes every POST, answers 204 and puts it into `arrivals`."""

    def __init__(self) -> None:
        self.arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._server = _Server((HOST, 0), _Handler)
        self._server.arrivals = self.arrivals
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
    arrivals: queue.SimpleQueue[Arrival]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Read the body, note the moment, answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        at = time.perf_counter()
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()
        self.server.arrivals.put(Arrival(at, {name.lower(): value for name, value in self.headers.items()}, body))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: the demo shows what arrives."""
