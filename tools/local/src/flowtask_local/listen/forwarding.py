"""A webhook handed on to an app, byte for byte, and the app's answer brought back. No proxy, no redirects."""

import base64
import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import wait
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ..errors import LocalError
from ..receiver import Answer, Arrival
from ..signals import in_background

APP_SECONDS = 9.0
"""How long an app may take: a second less than FlowTask waits for the whole attempt, so that its log tells the cause."""

_MOST_BYTES = 16 * 1024
_SENT = frozenset({"content-type", "user-agent", "traceparent", "tracestate"})
_SENT_PREFIXES = ("webhook-", "x-flowtask-")
_RETURNED = ("content-type", "location", "retry-after")
_PATH_SIGNS = "/%:@!$&'()*+,;=~-._?"


@dataclass(frozen=True)
class App:
    """Where webhooks are handed on to; `url` is what people see, without a user and a password."""

    url: str
    https: bool
    host: str
    port: int | None
    path: str
    authorization: str | None

    @classmethod
    def at(cls, url: str) -> "App":
        """The app at a URL; LocalError, in a sentence, for one that is not http or https or names no host."""
        wrong = LocalError(
            f"--forward {url}: this is no URL of an app; it begins with http:// or https:// and a host, "
            "as http://localhost:3000/hooks does."
        )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in {"http", "https"} or not host or not url.isprintable() or " " in url:
            raise wrong
        path = quote(parts.path or "/", safe=_PATH_SIGNS) + (
            f"?{quote(parts.query, safe=_PATH_SIGNS)}" if parts.query else ""
        )
        netloc = parts.netloc.rpartition("@")[2]
        shown = urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))
        return cls(shown, parts.scheme == "https", host, port, path, _basic(parts.username, parts.password))

    def connection(self, seconds: float) -> http.client.HTTPConnection:
        """A connection that is not open yet; no step of opening it takes longer than that."""
        kind = http.client.HTTPSConnection if self.https else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=seconds)


@dataclass(frozen=True)
class Forwarded:
    """What an app answered, and how long it took. `status` is None, and `error` a phrase, when it gave no answer."""

    url: str
    status: int | None
    ms: float
    error: str | None
    answer: Answer


def forward(app: App, arrival: Arrival, *, seconds: float = APP_SECONDS) -> Forwarded:
    """Hand a webhook on; the answer is the app's, or 504 when it took too long, or 502 when it could not be reached.

    Takes no longer than `seconds`. An answer whose status has come counts, even if its body did not end in time.
    """
    began = time.perf_counter()
    exchange = _Exchange(app, arrival, seconds)
    work = in_background(exchange.run, "forward")
    ended, _ = wait([work], timeout=seconds)
    answer = exchange.answer
    exchange.cut()  # what comes of this says nothing about the app: a head cut short, a connection closed
    ms = (time.perf_counter() - began) * 1000
    if answer is not None:
        return Forwarded(app.url, answer.status, ms, None, answer)
    error = work.exception() if ended else None
    if error is None or isinstance(error, TimeoutError):
        status, phrase = HTTPStatus.GATEWAY_TIMEOUT, f"did not answer within {seconds:g} s"
    else:
        status, phrase = HTTPStatus.BAD_GATEWAY, _phrase(error)
    said = f"flowtask listen: {app.url} {phrase}\n".encode()
    return Forwarded(app.url, None, ms, phrase, Answer(status, {"Content-Type": "text/plain; charset=utf-8"}, said))


class _Exchange:
    """One request to the app, in a thread of its own; `answer` is what has come back so far, None before its head."""

    def __init__(self, app: App, arrival: Arrival, seconds: float) -> None:
        self.answer: Answer | None = None
        self._app = app
        self._arrival = arrival
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self._cut = False

    def run(self) -> None:
        """Send the request and read the answer; raises what keeps it from coming."""
        with contextlib.closing(self._app.connection(self._seconds)) as connection:
            connection.connect()
            self._socket = connection.sock
            if self._cut:  # FlowTask has its answer already, and sends this webhook again
                return
            with contextlib.suppress(BrokenPipeError):  # an app may answer before it has read the whole body
                connection.request("POST", self._app.path, self._arrival.body, self._headers())
            with connection.getresponse() as response:
                self._read(response)

    def cut(self) -> None:
        """End what still goes on; nothing is waited for any more."""
        self._cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _headers(self) -> dict[str, str]:
        headers = {
            name: value
            for name, value in self._arrival.headers.items()
            if name in _SENT or name.startswith(_SENT_PREFIXES)
        }
        if self._app.authorization is not None:
            headers["authorization"] = self._app.authorization
        return {**headers, "connection": "close"}

    def _read(self, response: http.client.HTTPResponse) -> None:
        if response.status < HTTPStatus.OK:
            raise http.client.BadStatusLine(str(response.status))
        headers = {name: value for name in _RETURNED if (value := _plain(response.getheader(name))) is not None}
        body = b""
        self.answer = Answer(response.status, headers, body)
        while len(body) < _MOST_BYTES and (piece := response.read1(_MOST_BYTES - len(body))):
            body += piece
            self.answer = Answer(response.status, headers, body)


def _phrase(error: BaseException) -> str:
    """Why there is no answer, to be read after the app's URL."""
    known: Mapping[type[BaseException], str] = {
        ConnectionRefusedError: "refused the connection: nothing listens there",
        socket.gaierror: "has a host that is not known",
        ssl.SSLCertVerificationError: "has a certificate that this machine does not trust",
        ssl.SSLError: "does not speak TLS",
        ConnectionError: "closed the connection without an answer",
        http.client.HTTPException: "did not answer in HTTP",
    }
    for kind, phrase in known.items():
        if isinstance(error, kind):
            return phrase
    return f"could not be reached ({getattr(error, 'strerror', None) or type(error).__name__})"


def _plain(value: str | None) -> str | None:
    """A header of the app's that can be sent on; one with line breaks in it cannot."""
    return value if value is not None and value.isprintable() else None


def _basic(user: str | None, password: str | None) -> str | None:
    if user is None:
        return None
    credentials = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"
