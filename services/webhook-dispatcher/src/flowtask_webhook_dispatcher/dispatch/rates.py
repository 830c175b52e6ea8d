"""At most so many attempts within a period, to endpoints whose owners have set a rate; kept by the one replica that sends."""

from bisect import insort
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from ..endpoints.directory import Receiver

UNLIMITED = 1 << 30


class Rates:
    """Remembers when attempts are made that were taken, as many as the rate allows; `clock` counts seconds and never goes back.

    A replica that takes over from another does not know what that one has sent: it lets one period pass.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._taken: dict[UUID, deque[float]] = {}
        self._epochs: dict[UUID, int] = {}
        self._closed_until: dict[UUID, float] = {}

    def leased(self, receiver: Receiver, epoch: int) -> None:
        """This process sends to it now, as the `epoch`-th holder of its lease in a row."""
        known = self._epochs.get(receiver.id)
        self._epochs[receiver.id] = epoch
        if receiver.policy.rate is not None and epoch not in (known, 1):
            self._taken.pop(receiver.id, None)
            self._closed_until[receiver.id] = self._clock() + receiver.policy.period.total_seconds()

    def room(self, receiver: Receiver) -> int:
        """How many attempts may be taken now."""
        return self._room(receiver, self._clock())

    def _room(self, receiver: Receiver, now: float) -> int:
        rate = receiver.policy.rate
        if rate is None:
            return UNLIMITED
        if now < self._closed_until.get(receiver.id, 0.0):
            return 0
        taken = self._taken.get(receiver.id)
        if taken is None:
            return rate
        period = receiver.policy.period.total_seconds()
        while taken and taken[0] <= now - period:
            taken.popleft()
        return max(0, rate - len(taken))

    def take(self, receiver: Receiver, *, after: float = 0.0) -> None:
        """An attempt is about to be made, in so many seconds."""
        if receiver.policy.rate is not None:
            insort(self._taken.setdefault(receiver.id, deque()), self._clock() + after)

    def again_in(self, receiver: Receiver) -> timedelta | None:
        """How long until another attempt may be taken; None when one may be now."""
        now = self._clock()
        if self._room(receiver, now):
            return None
        closed = self._closed_until.get(receiver.id, 0.0) - now
        if closed > 0:
            return timedelta(seconds=closed)
        taken, rate = self._taken[receiver.id], receiver.policy.rate or 1
        return timedelta(seconds=taken[len(taken) - rate] - now) + receiver.policy.period

    def forget(self, endpoint_id: UUID) -> None:
        """The endpoint is gone."""
        for kept in (self._taken, self._epochs, self._closed_until):
            kept.pop(endpoint_id, None)
