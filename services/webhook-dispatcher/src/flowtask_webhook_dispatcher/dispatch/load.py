"""Whether this process itself is what is short: then putting work off would only make more of it."""

import os
import time
from collections.abc import Callable

BUSY = 0.75
"""Share of the time above which it is short."""
KEPT_SECONDS = 0.5
_SCHEDSTAT = "/proc/thread-self/schedstat"


def spent_by_this_thread() -> Callable[[], float]:
    """A clock of the seconds that the calling thread has run, and, where the system tells (Linux), has waited for a processor."""
    try:
        schedstat = os.open(_SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return time.thread_time

    def spent() -> float:
        running, waiting, _ = os.pread(schedstat, 100, 0).split()
        return (int(running) + int(waiting)) / 1e9

    return spent


class Load:
    """Compares time spent with time passed from one `look` to the next; both in seconds."""

    def __init__(self, clock: Callable[[], float], spent: Callable[[], float]) -> None:
        self._clock = clock
        self._spent = spent
        self._at, self._had = clock(), spent()
        self._short_until = 0.0

    def look(self) -> None:
        """To be called every now and then, in the thread that it is about."""
        now, has = self._clock(), self._spent()
        if now > self._at and (has - self._had) / (now - self._at) > BUSY:
            self._short_until = now + KEPT_SECONDS
        self._at, self._had = now, has

    @property
    def short(self) -> bool:
        """Whether it was busy all the time at one of the last looks."""
        return self._clock() < self._short_until
