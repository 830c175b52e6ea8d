"""`flowtask listen`: the webhooks of a workspace, as they come, and if wished to an app as well."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from threading import Event, Lock

from ..home import Home
from ..receiver import Answer, Arrival, Receiver, Reply
from ..running import Running
from ..signals import LOOK_SECONDS, Signals, in_background
from ..signatures import both_hold
from .forwarding import App, forward
from .output import Output
from .subscription import Subscription
from .webhooks import HEADING, Webhook, as_json, as_row, parsed

_END_SECONDS = 5.0
_REMEMBERED_IDS = 100_000
_FALSE = Answer(
    HTTPStatus.UNAUTHORIZED, {"Content-Type": "text/plain"}, b"flowtask listen: a signature does not hold\n"
)


def listen(home_path: Path, *, events: Sequence[str], forward_to: str | None = None, for_machines: bool = False) -> int:
    """Show webhooks until a signal comes or nobody reads them any more; 0. LocalError for what cannot be listened to."""
    app = None if forward_to is None else App.at(forward_to)
    with Signals() as signals, Output(for_machines=for_machines) as output:
        listener = _Listener(Home(home_path), events, app, output, for_machines=for_machines)
        with Receiver(listener.take) as receiver:
            keeping = listener.begin(receiver.url)
            while not (keeping.done() or signals.count or output.gone):
                time.sleep(LOOK_SECONDS)
            listener.end(keeping, signals)
    return 0


class _Listener:
    """Takes webhooks: each is verified, handed on, answered and shown."""

    def __init__(
        self, home: Home, events: Sequence[str], app: App | None, output: Output, *, for_machines: bool
    ) -> None:
        self._events = events
        self._app = app
        self._output = output
        self._for_machines = for_machines
        self._stopping = Event()
        self._seen = _Seen()
        self._introduced = False
        self._subscription = Subscription(
            home,
            events,
            stopping=self._stopping,
            say=lambda text: output.say(text, "yellow"),
            made=self._introduce,
        )

    def begin(self, url: str) -> "Future[None]":
        """Have webhooks sent to this URL from now on; the result comes once they are no longer sent."""
        return in_background(lambda: self._subscription.keep(url), "subscription")

    def end(self, keeping: "Future[None]", signals: Signals) -> None:
        """Remove the endpoint; five seconds, or one more signal, and it is left to the next listener."""
        self._stopping.set()
        before, deadline = signals.count, time.monotonic() + _END_SECONDS
        while not keeping.done() and signals.count == before and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS / 5)
        if keeping.done():
            keeping.result()
        else:
            self._output.say(
                "The endpoint is still there; the next `flowtask listen` in this folder removes it.", "yellow"
            )

    def take(self, arrival: Arrival, reply: Reply) -> None:
        """Answer one webhook, and then show it."""
        at = datetime.now(UTC)
        verified = any(both_hold(each, arrival.headers, arrival.body) for each in self._subscription.secrets)
        repeat = verified and self._seen.before(arrival.headers.get("webhook-id", ""))
        webhook = Webhook(at, arrival, verified, repeat, parsed(arrival.body))
        forwarded = forward(self._app, arrival) if verified and self._app is not None else None
        if not verified:
            answer = _FALSE
        elif forwarded is None:
            answer = Answer(HTTPStatus.NO_CONTENT)
        else:
            answer = forwarded.answer
        reply(answer)
        if self._for_machines:
            self._output.row(as_json(webhook, answer.status, forwarded))
        else:
            self._output.row(as_row(webhook, answer.status, forwarded, self._output.paint))

    def _introduce(self, found: Running, secret: str) -> None:
        if self._introduced:
            self._output.say(
                f"The endpoint was gone, so there is a new one at {found.api_url}. Signing secret: {secret}", "yellow"
            )
            return
        self._introduced = True
        self._output.say(f"Webhooks ({', '.join(self._events)}) of {found.api_url} are shown here; Ctrl-C ends this.\n")
        if self._app is not None:
            self._output.say(f"  forwarded to    {self._app.url}")
        self._output.say(f"  signing secret  {secret}\n")
        if not self._for_machines:
            self._output.say(HEADING, "dim")


class _Seen:
    """The ids of the latest 100,000 webhooks."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._mutex = Lock()

    def before(self, webhook_id: str) -> bool:
        """Whether this id came before; it has from now on."""
        with self._mutex:
            known = webhook_id in self._ids
            self._ids[webhook_id] = None
            if len(self._ids) > _REMEMBERED_IDS:
                self._ids.popitem(last=False)
            return known
