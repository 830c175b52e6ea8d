"""How much of replays is under way, and how fast: so much that live traffic finds its places, and this process, free."""

from collections.abc import Callable, Iterable
from uuid import UUID

from .lanes import Lanes
from .work import Parcel, Stage

SLOWER = 5
"""Times slower while events come in, or this process is busy all the time."""

AHEAD_SECONDS = 1.0
"""What is taken in hand begins within this time: it cannot be taken back any more."""


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
        self._rate = rate
        self._spare = spare
        self._next = 0.0
        self._in_hand: dict[UUID, list[Parcel]] = {}
        self._had_room: dict[UUID, float] = {}

    def room(self, endpoint_id: UUID) -> int:
        """How many more deliveries of a replay may be taken in hand; 0 until half of its places are free, so that claims are few."""
        return self._room(endpoint_id, self._left())

    def rooms(self, endpoint_ids: Iterable[UUID]) -> dict[UUID, int]:
        """The same for several that are claimed from at once: they share what is left, and who has waited longest is first."""
        before, now, left = self._had_room, self._clock(), self._left()
        rooms = {}
        self._had_room = {}
        for each in sorted(endpoint_ids, key=lambda each: before.get(each, 0.0)):
            rooms[each] = room = self._room(each, left)
            left -= room
            self._had_room[each] = now if room else before.get(each, 0.0)
        return rooms

    def take(self, parcel: Parcel) -> float:
        """Take one in hand; in how many seconds it may begin."""
        self._in_hand.setdefault(parcel.receiver.id, []).append(parcel)
        now = self._clock()
        begin = max(self._next, now)
        self._next = begin + self._gap()
        return begin - now

    def _room(self, endpoint_id: UUID, left: int) -> int:
        if self._lanes.waits(endpoint_id):
            return 0
        most = min(max(1, self._at_once(endpoint_id) // 2), self._total, self._ahead())
        room = min(most - self._under_way(endpoint_id), left)
        return room if 2 * room >= most else 0

    def _left(self) -> int:
        """How many more may be in hand, in all."""
        ahead = self._ahead() - int(max(0.0, self._next - self._clock()) / self._gap())
        return min(ahead, self._total - sum(map(self._under_way, [*self._in_hand])))

    def _ahead(self) -> int:
        return max(1, int(AHEAD_SECONDS / self._gap()))

    def _gap(self) -> float:
        return (SLOWER if self._spare() else 1) / self._rate

    def _under_way(self, endpoint_id: UUID) -> int:
        parcels = [each for each in self._in_hand.get(endpoint_id, ()) if each.stage is not Stage.ENDED]
        if parcels:
            self._in_hand[endpoint_id] = parcels
        else:
            self._in_hand.pop(endpoint_id, None)
        return len(parcels)
