"""How much is pulled ahead: what this process settles in less than half a second, so that a backlog stays in the stream."""

from collections.abc import Callable

SLOT_SECONDS = 0.25
AHEAD = 1.5
"""Slots' worth in hand."""
LEAST = 500
"""Deliveries; what a process begins with, and what slow endpoints may hold at any rate."""
MOST_MESSAGES = 1500
"""What one process holds unacknowledged at most; below the durable's `max_ack_pending`."""
AT_FIRST = 10.0
"""Endpoints to a message, until it is known better: a first pull that is too small costs nothing."""
_WEIGHT = 0.1


class Window:
    """Counts what is settled, and says how many messages may be in hand for it; `clock` counts seconds.

    What is pulled and not settled after a second costs due rows, many times the work of sending it: a process that is behind
    must not take more than it can do. The window grows by half every quarter of a second while it is what holds it up.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slot = 0
        self._settled = 0
        self._before = 0
        self._endpoints = AT_FIRST

    def taken(self, endpoints: int) -> None:
        """A message came for so many endpoints."""
        self._endpoints += _WEIGHT * (max(endpoints, 1) - self._endpoints)

    def settled(self, deliveries: int) -> None:
        """A message was settled that was so many."""
        self._turn()
        self._settled += deliveries

    def messages(self, deliveries: int = 0) -> int:
        """How many messages may be in hand beside so many deliveries; below 0 if those are too many already."""
        self._turn()
        size = max(LEAST, AHEAD * max(self._settled, self._before))
        return min(MOST_MESSAGES, int((size - deliveries) / self._endpoints))

    def _turn(self) -> None:
        slot = int(self._clock() / SLOT_SECONDS)
        if slot != self._slot:
            self._before = self._settled if slot == self._slot + 1 else 0
            self._slot, self._settled = slot, 0
