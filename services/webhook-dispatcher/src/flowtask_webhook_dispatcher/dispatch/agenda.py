"""The times at which something becomes due, in no more memory than there are hundredths of a second until then."""

import heapq
import math
from datetime import datetime

_TICKS = 100
"""A second."""


class Agenda:
    """Times to wake at. They are rounded up to a hundredth of a second and kept once."""

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._kept: set[int] = set()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, at: datetime) -> bool:
        """Remember a time; True if it is now the first of all."""
        tick = math.ceil(at.timestamp() * _TICKS)
        if tick in self._kept:
            return False
        self._kept.add(tick)
        heapq.heappush(self._heap, tick)
        return self._heap[0] == tick

    def come(self, now: datetime) -> bool:
        """True if a time has come since the last look; what has come is forgotten."""
        tick, some = now.timestamp() * _TICKS, False
        while self._heap and self._heap[0] <= tick:
            self._kept.discard(heapq.heappop(self._heap))
            some = True
        return some

    def seconds(self, now: datetime, most: float) -> float:
        """How long to wait for the next time, at most so long."""
        if not self._heap:
            return most
        return max(0.0, min(most, self._heap[0] / _TICKS - now.timestamp()))
