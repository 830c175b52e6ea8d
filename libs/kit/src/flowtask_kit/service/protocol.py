"""HTTP as uvicorn speaks it, with limits on heads that it has not, and refusals in the envelope."""

from asyncio import TimerHandle
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from flowtask_contracts.errors import BadRequest, FlowTaskError, HeadersTooLarge, RequestTimedOut
from flowtask_kit import logs
from flowtask_kit.http.bodies import DISCARD_SECONDS
from flowtask_kit.http.envelope import error_response
from flowtask_kit.http.policy import Policy
from flowtask_kit.ids import new_id

log = logs.get(__name__)

MAX_HEAD_BYTES = 32 * 1024
"""Of the request line and all headers together."""

MAX_HEADERS = 100


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A head of more than 32 KiB or 100 headers is refused with 431, one that does not come in time with 408.

    What cannot be read as HTTP is a 400. After a refusal the connection is read on for a moment, so that the caller sees
    it, and closed. A connection on which nothing comes is closed without a word.
    """

    def __init__(self, *, head_seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._head_seconds = head_seconds
        self._timer: TimerHandle | None = None
        self._in_head = self._in_message = self._refused = False
        self._head_bytes = self._headers_bytes = 0
        self._over = False

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(self._head_seconds, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        self._no_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a request whose head has not ended after this is timed and counted."""
        if self._refused:
            return
        began_in_head = self._in_head
        super().data_received(data)
        if began_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadersTooLarge())
        if not self._refused:
            self._time_head()

    def _time_head(self) -> None:
        if not (self._in_head or (self._in_message and self.cycle.response_complete)):
            self._no_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(self._head_seconds, self._too_slow)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._head_bytes = self._headers_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header is there in full."""
        self._headers_bytes += len(name) + len(value)
        self._stop_if(self._headers_bytes + len(self.url) > MAX_HEAD_BYTES or len(self.headers) == MAX_HEADERS)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request can be answered."""
        self._stop_if(len(self.url) > MAX_HEAD_BYTES)
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is there in full."""
        self._in_message = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn calls it so
        """Answer what the parser, or a limit, has stopped at."""
        self._refuse(HeadersTooLarge() if self._over else BadRequest())

    def _stop_if(self, over: bool) -> None:
        if over:
            self._over = True
            raise HeadersTooLarge  # ends the parser, which has send_400_response called

    def _too_slow(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(RequestTimedOut())
        else:
            self.transport.close()

    def _refuse(self, error: FlowTaskError) -> None:
        """Say no and hang up; while an earlier request of this connection is being answered, only its answer goes out."""
        self._refused = True
        self._no_timer()
        log.info("request refused unread", status=error.status)
        under_way: RequestResponseCycle | None = self.cycle
        if under_way is not None and not under_way.response_complete:
            under_way.keep_alive = False
            return
        response = error_response(error, headers={"Connection": "close", "X-Request-Id": str(new_id())})
        headers = [*self.server_state.default_headers, *response.raw_headers, *_EVERY_ANSWER]
        lines = [
            STATUS_LINE[error.status],
            *(b"%b: %b\r\n" % header for header in headers),
            b"\r\n",
            bytes(response.body),
        ]
        self.transport.write(b"".join(lines))
        self._timer = self.loop.call_later(DISCARD_SECONDS, self.transport.close)

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_EVERY_ANSWER = (*Policy().headers, (b"cache-control", b"no-store"))


def protocol(head_seconds: float) -> Any:
    """The protocol of a server on which a head may take this many seconds to come."""
    return partial(BoundedProtocol, head_seconds=head_seconds)
