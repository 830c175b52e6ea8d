"""Windows in the memory of this process."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from .models import WINDOW_SECONDS, Decision, Limit, Room, Window

_WINDOW = WINDOW_SECONDS * 1000
_NEVER: deque[int] = deque(maxlen=0)
"""The window of who has made no call."""


def milliseconds() -> int:
    """A clock that never goes back."""
    return time.monotonic_ns() // 1_000_000


class MemoryWindows:
    """Remembers when each call was made; what has left the window is forgotten. The clock counts milliseconds.

    Of more windows than `most` those are forgotten in which nothing was counted for longest.
    """

    def __init__(self, clock: Callable[[], int] = milliseconds, *, most: int | None = None) -> None:
        self._clock = clock
        self._most = most
        self._calls: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()
        self._sweep_at = clock() + _WINDOW

    def take(self, windows: Sequence[Window]) -> Decision:
        """Count a call in all these windows, or in none."""
        now = self._clock()
        calls = [self._within(window, now) for window in windows]
        wait = max(_wait(each, limit, now) for each, (_, limit) in zip(calls, windows, strict=True))
        if not wait:
            calls = [self._count(window, now) for window in windows]
        rooms = [_room(each, limit, now) for each, (_, limit) in zip(calls, windows, strict=True)]
        return Decision(passes=not wait, rooms=rooms, wait=wait / 1000)

    def note(self, windows: Sequence[Window]) -> None:
        """Count a call that has passed elsewhere."""
        now = self._clock()
        for window in windows:
            self._within(window, now)
            self._count(window, now)

    def __len__(self) -> int:
        """How many windows are remembered."""
        return len(self._calls)

    def _within(self, window: Window, now: int) -> deque[int]:
        calls = self._calls.get((window.key, window.limit.name), _NEVER)
        while calls and calls[0] <= now - _WINDOW:
            calls.popleft()
        return calls

    def _count(self, window: Window, now: int) -> deque[int]:
        if now >= self._sweep_at:
            self._sweep(now)
        key = (window.key, window.limit.name)
        calls = self._calls.get(key)
        if calls is None:
            calls = self._calls[key] = deque()
        calls.append(now)
        if self._most is not None:
            self._calls.move_to_end(key)
            if len(self._calls) > self._most:
                self._calls.popitem(last=False)
        return calls

    def _sweep(self, now: int) -> None:
        """Forget callers who have been quiet for a whole window."""
        self._sweep_at = now + _WINDOW
        quiet = [key for key, calls in self._calls.items() if not calls or calls[-1] <= now - _WINDOW]
        for key in quiet:
            del self._calls[key]


def _wait(calls: deque[int], limit: Limit, now: int) -> int:
    """Milliseconds until one more call has room; 0 when it has."""
    if not limit.most:
        return _WINDOW
    return 0 if len(calls) < limit.most else calls[len(calls) - limit.most] + _WINDOW - now


def _room(calls: deque[int], limit: Limit, now: int) -> Room:
    frees_in = calls[0] + _WINDOW - now if calls else _WINDOW
    return Room(limit, max(0, limit.most - len(calls)), frees_in / 1000)
