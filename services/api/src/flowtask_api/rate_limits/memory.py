"""Windows in the memory of this process."""

import time
from collections import deque
from collections.abc import Callable, Sequence

from .models import WINDOW_SECONDS, Decision, Limit, Room

_WINDOW = WINDOW_SECONDS * 1000


def milliseconds() -> int:
    """A clock that never goes back."""
    return time.monotonic_ns() // 1_000_000


class MemoryWindows:
    """Remembers when each call was made; what has left the window is forgotten. The clock counts milliseconds."""

    def __init__(self, clock: Callable[[], int] = milliseconds) -> None:
        self._clock = clock
        self._calls: dict[tuple[str, str], deque[int]] = {}
        self._sweep_at = clock() + _WINDOW

    def take(self, key: str, limits: Sequence[Limit]) -> Decision:
        """Count a call under all these limits, or under none."""
        now = self._clock()
        if now >= self._sweep_at:
            self._sweep(now)
        windows = [self._window(key, limit, now) for limit in limits]
        wait = max(_wait(window, limit, now) for window, limit in zip(windows, limits, strict=True))
        if not wait:
            for window in windows:
                window.append(now)
        rooms = [_room(window, limit, now) for window, limit in zip(windows, limits, strict=True)]
        return Decision(passes=not wait, rooms=rooms, wait=wait / 1000)

    def __len__(self) -> int:
        """How many windows are remembered."""
        return len(self._calls)

    def _window(self, key: str, limit: Limit, now: int) -> deque[int]:
        window = self._calls.setdefault((key, limit.name), deque())
        while window and window[0] <= now - _WINDOW:
            window.popleft()
        return window

    def _sweep(self, now: int) -> None:
        """Forget callers who have been quiet for a whole window."""
        self._sweep_at = now + _WINDOW
        quiet = [key for key, window in self._calls.items() if not window or window[-1] <= now - _WINDOW]
        for key in quiet:
            del self._calls[key]


def _wait(window: deque[int], limit: Limit, now: int) -> int:
    """Milliseconds until one more call has room; 0 when it has."""
    if not limit.most:
        return _WINDOW
    return 0 if len(window) < limit.most else window[len(window) - limit.most] + _WINDOW - now


def _room(window: deque[int], limit: Limit, now: int) -> Room:
    frees_in = window[0] + _WINDOW - now if window else _WINDOW
    return Room(limit, max(0, limit.most - len(window)), frees_in / 1000)
