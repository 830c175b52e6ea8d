"""Lines on stdout, in the order in which they came. A reader who stands still or is gone never holds a webhook up."""

import contextlib
import os
import queue
import select
import sys
import threading
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console

from ..errors import LocalError
from ..screen import painted, write_into_nothing

_WAITING_LINES = 10_000
_END_SECONDS = 2.0


class Output:
    """Rows on stdout and notices beside them: on stdout for people, on stderr when stdout is for machines.

    Each line is written at once. Rows that wait while nobody reads are counted and left out past 10,000. Safe to use from any thread.
    """

    def __init__(self, *, for_machines: bool) -> None:
        if sys.stdout is None:
            raise LocalError("There is no standard output to show webhooks on.")
        self._rows: TextIO = sys.stdout
        self._notices: TextIO | None = sys.stderr if for_machines else sys.stdout
        self._console = Console(file=self._notices, highlight=False, markup=False, emoji=False)
        self._waiting: queue.Queue[tuple[TextIO | None, str] | None] = queue.Queue(_WAITING_LINES)
        self._left_out = 0
        self._broken = threading.Event()
        self._hung_up = select.poll()
        self._hung_up.register(self._rows, 0)
        self._printer = threading.Thread(target=self._print, name="output", daemon=True)

    def __enter__(self) -> Self:
        self._printer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show what waits, for two seconds at most, then nothing more."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=_END_SECONDS)
        self._printer.join(timeout=_END_SECONDS)

    @property
    def gone(self) -> bool:
        """True once nobody can read stdout any more."""
        return self._broken.is_set() or any(
            event & (select.POLLERR | select.POLLHUP) for _, event in self._hung_up.poll(0)
        )

    def row(self, text: str) -> None:
        """Show a webhook."""
        self._put(self._rows, text)

    def say(self, text: str, style: str = "") -> None:
        """Show a notice."""
        self._put(self._notices, self.paint(text, style))

    def paint(self, text: str, style: str) -> str:
        """The text in this style, where notices go to a terminal with colours."""
        return painted(self._console, text, style)

    def _put(self, where: TextIO | None, text: str) -> None:
        try:
            self._waiting.put_nowait((where, text))
        except queue.Full:
            self._left_out += 1

    def _print(self) -> None:
        while (item := self._waiting.get()) is not None:
            self._write(*item)
            if self._left_out and self._waiting.empty():
                left_out, self._left_out = self._left_out, 0
                self._write(self._notices, f"({left_out} lines were not shown: nobody read them)")

    def _write(self, where: TextIO | None, text: str) -> None:
        """Write one line at once. Once stdout is gone all goes nowhere; stderr nobody needs."""
        if where is None or self._broken.is_set():
            return
        try:
            _write_all(where.fileno(), f"{text}\n".encode(where.encoding, "backslashreplace"))
        except (OSError, ValueError):
            if where is self._rows:
                self._broken.set()
                write_into_nothing()


def _write_all(handle: int, data: bytes) -> None:
    """Not through the stream: its lock, held by a write that stands still, would hold the exit up too."""
    while data:
        try:
            data = data[os.write(handle, data) :]
        except BlockingIOError:  # another program has made this terminal or pipe non-blocking
            select.select([], [handle], [])
