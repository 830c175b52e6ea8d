"""From a receiver's bytes to status, headers and a capped body. No I/O: every limit here is tested with plain bytes."""

from collections.abc import Sequence
from typing import NamedTuple

import httptools

from .timings import Timings

MAX_HEAD = 32 * 1024  # bytes of status line and headers, interim (1xx) ones included
MAX_HEADERS = 100
MAX_INTERIM = 8
_OVERHEAD = 8  # raw bytes read per byte of body kept: one-byte chunks take six

_SWITCHING = 101
_FINAL = 200


class Answer(NamedTuple):
    """What a receiver said: any status counts as an answer, and so does one whose body broke off (`truncated`)."""

    status: int  # as sent; not limited to registered codes
    headers: Sequence[tuple[str, str]]  # in order, names as sent, decoded as Latin-1
    body: bytes  # at most the client's `max_body`
    truncated: bool  # the body was longer, or did not end before the deadline or the connection did
    address: str  # the IP address that answered
    timings: Timings

    def header(self, name: str) -> str | None:
        """The first header of this name (in any case), or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


class ResponseReader:
    """Reads one response at a time from a connection's bytes; `begin`, then `feed` until it says true.

    Afterwards `fault` says what was wrong, or, if None, `status`, `headers`, `body`, `truncated` hold the answer.
    """

    __slots__ = (
        "_chunks", "_interim", "_max_body", "_parser", "_raw_limit", "_room", "complete", "fault", "head_done", "headers",
        "received", "reusable", "status", "truncated",
    )  # fmt: skip

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._raw_limit = MAX_HEAD + _OVERHEAD * max_body
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.begin()

    def begin(self) -> None:
        """Forget the last response; the next bytes are a new one."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.received = 0  # bytes
        self.head_done = False  # status and headers are final
        self.complete = False
        self.truncated = False
        self.reusable = False  # the connection may carry another request
        self.fault: str | None = None
        self._chunks: list[bytes] = []
        self._room = self._max_body
        self._interim = 0

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; true once there is nothing more to read for this response."""
        room = MAX_HEAD - self.received
        over = self.received + len(data) > self._raw_limit
        if over:
            data = data[: self._raw_limit - self.received]
        self.received += len(data)
        if self.head_done or len(data) <= room:
            self._parse(data)
        elif self._parse(data[:room]):
            self._parse(data[room:])
        else:
            self.fault = self.fault or f"The answer's head is longer than {MAX_HEAD} bytes."
        if self.complete or self.fault is not None:
            return True
        self.truncated = self.truncated or over
        return self.truncated

    def end(self) -> bool:
        """The receiver ended the stream; true if it left an answer, whole or broken off."""
        if self.head_done and not self.complete:
            self.truncated = self.truncated or self._promised_an_end()
        return self.head_done and self.fault is None

    def close(self) -> None:
        """Drop the parser, which holds this reader in a cycle."""
        self._parser = None

    @property
    def body(self) -> bytes:
        """What was kept of the body."""
        return b"".join(self._chunks)

    def keep_alive_seconds(self) -> int | None:
        """What `Keep-Alive: timeout=` promises, if it does."""
        for name, value in self.headers:
            if len(name) == 10 and name.lower() == b"keep-alive":  # noqa: PLR2004  the length of the name beside it
                for parameter in value.split(b","):
                    key, _, seconds = parameter.strip().partition(b"=")
                    if key.lower() == b"timeout" and seconds.isdigit() and len(seconds) <= 9:  # noqa: PLR2004  fits an int
                        return int(seconds)
        return None

    def _parse(self, data: bytes) -> bool:
        """Parse without a limit; true if the head is whole."""
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.reusable = False
            if self.head_done and not self.complete:
                self.truncated = self.complete = True
            elif not self.complete and self.fault is None:
                self.fault = "The answer is not valid HTTP/1.1."
        return self.head_done

    def _promised_an_end(self) -> bool:
        return any(
            name.lower() == b"content-length"
            or (name.lower() == b"transfer-encoding" and value.lower().rstrip().endswith(b"chunked"))
            for name, value in self.headers
        )

    # What httptools calls. It turns exceptions raised in here into its own, so faults are noted and not raised.

    def on_message_begin(self) -> None:
        """A response, or whatever follows one unasked, has begun."""
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; those after the body (trailers) are dropped."""
        if self.head_done:
            return
        self.headers.append((name, value))
        if len(self.headers) > MAX_HEADERS:
            self.fault = f"The answer has more than {MAX_HEADERS} headers."
            raise OverflowError

    def on_headers_complete(self) -> None:
        """The head of a response is whole; an interim one is skipped."""
        if self.complete or self.fault is not None:
            return
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status >= _FINAL:
            self.status = status
            self.head_done = True
            self.reusable = self._parser.should_keep_alive()
            return
        self.headers = []
        self._interim += 1
        if status == _SWITCHING:
            self.fault = "The answer switches protocols."
        elif status < 100:  # noqa: PLR2004  RFC 9110, section 15: three digits from 100
            self.fault = "The answer's status is not between 100 and 999."
        elif self._interim > MAX_INTERIM:
            self.fault = f"There are more than {MAX_INTERIM} interim answers."

    def on_body(self, data: bytes) -> None:
        """A piece of the body; what does not fit is dropped."""
        if self.complete:  # of another response that nobody asked for
            return
        if len(data) > self._room:
            data = data[: self._room]
            self.truncated = True
        self._room -= len(data)
        self._chunks.append(data)

    def on_message_complete(self) -> None:
        """A response has ended."""
        self.complete = self.complete or self.head_done
