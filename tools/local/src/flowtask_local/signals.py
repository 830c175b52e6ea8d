"""Signals that ask this process to end: counted, never acted on in the middle of something."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from types import FrameType, TracebackType
from typing import Self, TypeVar

from . import lifeline

T = TypeVar("T")

LOOK_SECONDS = 0.1


class Interrupted(Exception):
    """The person, or the machine, asked this process to end."""


class Signals:
    """While it is entered, SIGINT, SIGTERM and SIGHUP are counted in `count`; a SIGHUP that nohup ignores stays ignored."""

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        for wanted in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if wanted != signal.SIGHUP or signal.getsignal(wanted) != signal.SIG_IGN:
                self._before[wanted] = signal.signal(wanted, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wanted, before in self._before.items():
            signal.signal(wanted, before)

    def check(self) -> None:
        """Raise Interrupted when a signal has come."""
        if self.count:
            raise Interrupted

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1


def in_background(work: Callable[[], T], name: str) -> "Future[T]":
    """Do the work in a thread of its own, so that the main thread can look for signals."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it goes to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def until_done(future: "Future[T]", signals: Signals) -> T:
    """The result of the work. At the first signal every child of this process is ended, so that the work ends soon.

    Raises Interrupted then, and otherwise what the work raised.
    """
    while not future.done():
        if signals.count:
            lifeline.lifeline().close()
            wait([future])
            raise Interrupted
        wait([future], timeout=LOOK_SECONDS)
    return future.result()
