"""`flowtask demo`: a task is made, assigned and completed, and a receiver sees the webhooks of it."""

import contextlib
import queue
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from .. import running
from ..client import Client
from ..errors import LocalError
from ..home import Home
from ..receiver import Answer, Arrival, Receiver, Reply
from ..running import Running
from ..screen import Screen
from ..session import Session
from ..signals import Interrupted, Signals, in_background, until_done
from ..stack import Stack
from ..up import end
from .expecting import Expected, Ledger

_ALL_SECONDS = 15.0
_STEP_SECONDS = 3.0
_INTERRUPTED = 130


def demo(home_path: Path, *, bin_dir: Path | None = None) -> int:
    """Run the demo against the FlowTask of this folder, or one started for it; 0 when all webhooks came and hold."""
    console = Console(highlight=False, markup=False, emoji=False)
    with Signals() as signals:
        try:
            with _flowtask(Home(home_path), signals, console, bin_dir) as found:
                return 0 if _Demo(found, signals, console).run() else 1
        except Interrupted:
            return _INTERRUPTED


@contextlib.contextmanager
def _flowtask(home: Home, signals: Signals, console: Console, bin_dir: Path | None) -> Iterator[Running]:
    found = running.wait_for(home, say=console.print, check=signals.check)
    if found is not None:
        yield found
        return
    console.print("Starting FlowTask for the demo ...")
    with Screen(quiet=True) as screen:
        session = Session(Stack(home.path, fixed_ports=True, bin_dir=bin_dir), screen)
        try:
            yield until_done(in_background(session.start, "start"), signals)
        finally:
            console.print("Ending the FlowTask of the demo ...")
            end(session, screen, signals)


class _Demo:
    """One run: a receiver, an endpoint for it, four calls, and the webhooks of each."""

    def __init__(self, found: Running, signals: Signals, console: Console) -> None:
        self._found = found
        self._signals = signals
        self._console = console
        self._arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()

    def run(self) -> bool:
        """True when every expected webhook came in time and both its signatures hold."""
        with Receiver(self._take) as receiver, Client(self._found.api_url, self._found.api_key) as self._client:
            endpoint = self._client.ask("POST", "/webhooks", {"url": receiver.url, "events": ["task.*", "project.*"]})
            self._ledger = Ledger(endpoint["secret"])
            self._console.print(f"Webhooks of {self._found.api_url} go to {receiver.url}\n")
            try:
                self._act()
            finally:
                self._delete(endpoint["id"])
        self._summary()
        return not self._ledger.missing

    def _take(self, arrival: Arrival, reply: Reply) -> None:
        reply(Answer(HTTPStatus.NO_CONTENT))
        self._arrivals.put(arrival)

    def _act(self) -> None:
        self._deadline = time.monotonic() + _ALL_SECONDS
        client = self._client
        me = client.ask("GET", "/me")["id"]
        project = self._call("POST", "/projects", {"name": "Demo project"}, "project.created")
        body = {"title": "See the webhooks arrive", "projectId": project}
        task = self._call("POST", "/tasks", body, "task.created")
        change = f"/tasks/{task}"
        self._call("PATCH", change, {"assigneeId": me}, "task.updated", "task.assigned", changed="assigneeId")
        self._call("PUT", change, {"status": "DONE"}, "task.updated", "task.completed", changed="status")
        self._watch(self._deadline)

    def _call(self, method: str, path: str, body: dict[str, str], *events: str, changed: str | None = None) -> str:
        """Make a call and show its webhooks; goes on without them after a while. The id of what was made or changed."""
        made: str = self._client.ask(method, path, body)["id"]
        self._console.print(f"{method} /api/v1{path.replace(made, '{id}')}", style="bold")
        self._ledger.expected.extend(
            Expected(event, made, self._client.answered_at, changed if event == "task.updated" else None)
            for event in events
        )
        self._watch(min(self._deadline, time.monotonic() + _STEP_SECONDS))
        return made

    def _watch(self, until: float) -> None:
        """Show webhooks as they arrive, until all are there or the time is over; Interrupted when a signal comes."""
        while not self._ledger.complete and time.monotonic() < until:
            self._signals.check()
            try:
                arrival = self._arrivals.get(timeout=0.02)
            except queue.Empty:
                continue
            one = self._ledger.take(arrival)
            if one is not None:
                self._console.print(f"  {one.event:<16} {_latency(one):>10}   {_signatures(one)}")

    def _delete(self, endpoint_id: str) -> None:
        """Over a connection of its own, for the other may be in the middle of something."""
        with Client(self._found.api_url, self._found.api_key) as client:
            try:
                client.ask("DELETE", f"/webhooks/{endpoint_id}")
            except LocalError as error:
                self._console.print(f"The demo's endpoint could not be deleted: {error}", style="yellow")

    def _summary(self) -> None:
        table = Table("webhook", "after answer", "webhook-signature", "X-FlowTask-Signature", box=box.SIMPLE)
        for one in self._ledger.expected:
            if one.arrived is None:
                table.add_row(one.event, "missing")
            else:
                checks = (_holds(one.arrived.standard), _holds(one.arrived.flowtask))
                table.add_row(one.event, _latency(one), *checks)
        self._console.print()
        self._console.print(table)
        for words in self._ledger.missing:
            self._console.print(f"{words}.", style="bold red")
        if not self._ledger.missing:
            self._console.print("Every webhook arrived, and every signature holds.", style="bold green")


def _latency(one: Expected) -> str:
    return "" if one.latency is None else f"{one.latency * 1000:.1f} ms"


def _signatures(one: Expected) -> str:
    assert one.arrived is not None
    return "both signatures hold" if one.arrived.verified else "A SIGNATURE DOES NOT HOLD"


def _holds(right: bool) -> str:
    return "holds" if right else "WRONG"
