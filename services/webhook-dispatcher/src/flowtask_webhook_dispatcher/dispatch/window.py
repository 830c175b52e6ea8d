"""How much is pulled ahead: what this process settles in less than half a second, so that a backlog stays in the stream."""

from collections.abc import Callable

SLOT_SECONDS = 0.25
AHEAD = 1.5
"""Slots' worth in hand."""
LEAST = 500
"""Messages; what a process begins with, and what slow endpoints may hold at any rate."""
MOST = 1500
"""Messages that one process holds unacknowledged at most; below the durable's `max_ack_pending`."""


class Window:
    """Counts what is settled, and says how many messages may be in hand for it; `clock` counts seconds.

    What is pulled and not settled after a second costs due rows, many times the work of sending it: a process that is behind
    must not take more than it can do. It doubles its measure slot by slot where it does more than before.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slot = 0
        self._settled = 0
        self._before = 0

    def settled(self) -> None:
        """A message was settled."""
        self._turn()
        self._settled += 1

    @property
    def size(self) -> int:
        """How many messages may be in hand."""
        self._turn()
        return max(LEAST, min(MOST, int(AHEAD * max(self._settled, self._before))))

    def _turn(self) -> None:
        slot = int(self._clock() / SLOT_SECONDS)
        if slot != self._slot:
            self._before = self._settled if slot == self._slot + 1 else 0
            self._slot, self._settled = slot, 0
