"""What this process is busy with: whether it is itself what is short, so that putting work off would only make more of it, and
whether events come in.
"""

import os
import time
from collections.abc import Callable

BUSY = 0.75
"""Share of the time above which it is short."""
KEPT_SECONDS = 0.5
LIVE_SECONDS = 1.0
"""How long after an event it is taken that more come."""
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
        self._live_until = 0.0

    def look(self) -> None:
        """To be called every now and then, in the thread that it is about."""
        now, has = self._clock(), self._spent()
        if now > self._at and (has - self._had) / (now - self._at) > BUSY:
            self._short_until = now + KEPT_SECONDS
        self._at, self._had = now, has

    def heard(self) -> None:
        """Events came in."""
        self._live_until = self._clock() + LIVE_SECONDS

    @property
    def live(self) -> bool:
        """Whether events have come in lately, whose deliveries nothing else should hold up."""
        return self._clock() < self._live_until

    @property
    def short(self) -> bool:
        """Whether it was busy all the time at one of the last looks."""
        return self._clock() < self._short_until
