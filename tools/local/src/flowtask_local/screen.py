"""What the person at the keyboard sees. A screen that stands still or is gone never holds anything else up."""

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.color import ColorSystem
from rich.console import Console
from rich.status import Status
from rich.style import Style

from .loglines import Reader

_WAITING_LINES = 10_000


class Screen:
    """Steps with their times first, then sentences and log lines in the order in which they came.

    With `quiet` steps and log lines are not shown; sentences are. Lines that wait while the terminal takes none are
    counted and left out past 10,000. Safe to use from any thread.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._quiet = quiet
        self._reader = Reader(self._paint)
        self._waiting: queue.Queue[tuple[str | None, str] | None] = queue.Queue(_WAITING_LINES)
        self._left_out = 0
        self._printer: threading.Thread | None = None
        self._steps = _Steps(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show that something is under way, and its time when it is done."""
        if self._quiet:
            yield
            return
        with self._steps.running(name):
            yield

    def say(self, text: str, style: str = "") -> None:
        """Show a sentence; once `stream` was called it takes its place among the log lines."""
        if self._printer is None:
            self._write(self._paint(text, style) + "\n")
        else:
            self._put((None, self._paint(text, style)))

    def line(self, name: str, line: str) -> None:
        """Show a log line, from `stream` on; those that come before wait."""
        if not self._quiet:
            self._put((name, line))

    def stream(self) -> None:
        """Begin to show log lines."""
        self._printer = threading.Thread(target=self._print, name="screen", daemon=True)
        self._printer.start()

    def close(self) -> None:
        """Show what waits, for two seconds at most, then nothing more."""
        if self._printer is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put(None, timeout=2.0)
            self._printer.join(timeout=2.0)

    def _put(self, item: tuple[str | None, str]) -> None:
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self._left_out += 1

    def _print(self) -> None:
        while (item := self._waiting.get()) is not None:
            name, text = item
            self._write((text if name is None else self._reader.readable(name, text)) + "\n")
            if self._left_out and self._waiting.empty():
                left_out, self._left_out = self._left_out, 0
                self._write(f"({left_out} lines were not shown; the log files have them)\n")

    def _write(self, text: str) -> None:
        try:
            self.console.file.write(text)
            self.console.file.flush()
        except (OSError, ValueError):
            write_into_nothing()

    def _paint(self, text: str, style: str) -> str:
        return painted(self.console, text, style)


class _Steps:
    """The steps under way on one line with a spinner, where there is a terminal; each that is done on a line of its own."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._names: list[str] = []
        self._status: Status | None = None
        self._mutex = threading.Lock()

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[None]:
        """One step, which may run beside others."""
        began = time.monotonic()
        self._change(name, under_way=True)
        try:
            yield
        except BaseException:
            self._change(name, under_way=False)
            raise
        self._change(name, under_way=False, done=f"{name:<32} {time.monotonic() - began:5.1f} s")

    def _change(self, name: str, *, under_way: bool, done: str | None = None) -> None:
        with self._mutex:
            (self._names.append if under_way else self._names.remove)(name)
            if self._status is not None:
                self._status.stop()
                self._status = None
            if done is not None:
                self._screen.say(f"  {done}")
            if self._names and self._screen.console.is_terminal:
                self._status = self._screen.console.status(", ".join(self._names))
                self._status.start()


def painted(console: Console, text: str, style: str) -> str:
    """The text in a style such as "bold red"; as it is where the console shows no colours."""
    if console.color_system is None or not style:
        return text
    return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)


def write_into_nothing() -> None:
    """The terminal or pipe is gone: what is still to be shown goes nowhere, and nothing fails of it."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
