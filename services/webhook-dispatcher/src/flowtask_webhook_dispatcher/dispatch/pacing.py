"""How much of replays is under way, and how fast: so much that live traffic finds its places, and this process, free."""

from collections.abc import Callable
from uuid import UUID

from .lanes import Lanes
from .work import Parcel, Stage

SLOWER = 5
"""Times slower while events come in, or this process is busy all the time."""


class Pacing:
    """Half of an endpoint's places at most (`at_once`), `total` in all, and none while live traffic waits for one there.

    They begin evenly, `rate` a second at most; `clock` counts seconds. While there are others to `spare` it is a fifth of that.
    """

    def __init__(
        self,
        at_once: Callable[[UUID], int],
        lanes: Lanes,
        clock: Callable[[], float],
        *,
        total: int,
        rate: float,
        spare: Callable[[], bool],
    ) -> None:
        self._at_once = at_once
        self._lanes = lanes
        self._clock = clock
        self._total = total
        self._gap = 1 / rate
        self._spare = spare
        self._next = 0.0
        self._in_hand: dict[UUID, list[Parcel]] = {}

    def room(self, endpoint_id: UUID) -> int:
        """How many more deliveries of a replay may be taken in hand; 0 until half of its places are free, so that claims are few."""
        if self._lanes.waits(endpoint_id):
            return 0
        most = min(max(1, self._at_once(endpoint_id) // 2), self._total)
        free = min(most - self._under_way(endpoint_id), self._total - sum(map(self._under_way, [*self._in_hand])))
        return free if 2 * free >= most else 0

    def take(self, parcel: Parcel) -> float:
        """Take one in hand; in how many seconds it may begin."""
        self._in_hand.setdefault(parcel.receiver.id, []).append(parcel)
        now = self._clock()
        begin = max(self._next, now)
        self._next = begin + self._gap * (SLOWER if self._spare() else 1)
        return begin - now

    def _under_way(self, endpoint_id: UUID) -> int:
        parcels = [each for each in self._in_hand.get(endpoint_id, ()) if each.stage is not Stage.ENDED]
        if parcels:
            self._in_hand[endpoint_id] = parcels
        else:
            self._in_hand.pop(endpoint_id, None)
        return len(parcels)
