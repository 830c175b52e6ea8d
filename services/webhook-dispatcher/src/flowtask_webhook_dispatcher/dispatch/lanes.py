"""Who is sent to next: a short queue per endpoint, and bounds on what is under way, per endpoint and in all."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from uuid import UUID

from flowtask_kit import logs

from . import metrics
from .work import Parcel, Stage

log = logs.get(__name__)

QUEUE = 100
"""Parcels that may wait in memory for one endpoint; what does not fit becomes a due row."""


class _Lane:
    __slots__ = ("under_way", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Parcel] = deque()
        self.under_way = 0


class Lanes:
    """Runs `send` for each parcel, at most `each` at once per endpoint and `total` in all; endpoints take turns."""

    def __init__(
        self, send: Callable[[Parcel], Awaitable[None]], freed: Callable[[], None], *, each: int, total: int
    ) -> None:
        self._send = send
        self._freed = freed
        self._each = each
        self._total = total
        self._lanes: dict[UUID, _Lane] = {}
        self._turns: deque[UUID] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def offer(self, parcel: Parcel) -> bool:
        """Send it as soon as there is room; False when the endpoint's queue is full."""
        lane = self._lanes.setdefault(parcel.receiver.id, _Lane())
        if lane.under_way < self._each and len(self._tasks) < self._total:
            self._begin(lane, parcel)
            return True
        if len(lane.waiting) >= QUEUE:
            return False
        lane.waiting.append(parcel)
        self._turns.append(parcel.receiver.id)
        return True

    def room(self, endpoint_id: UUID) -> int:
        """How many due rows to claim for an endpoint: one set to send and one to follow, 0 until half a set is free."""
        lane = self._lanes.get(endpoint_id)
        taken = 0 if lane is None else lane.under_way + len(lane.waiting)
        room = min(2 * self._each - taken, self._total - len(self._tasks))
        return room if room > self._each // 2 else 0

    def withdraw(self, parcel: Parcel) -> None:
        """Take back a parcel that still waits."""
        parcel.stage = Stage.ENDED

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def abandon(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()

    def _begin(self, lane: _Lane, parcel: Parcel) -> None:
        lane.under_way += 1
        parcel.stage = Stage.SENDING
        task = asyncio.create_task(self._run(lane, parcel))
        self._tasks.add(task)
        metrics.IN_FLIGHT.set(len(self._tasks))
        task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: _Lane, parcel: Parcel) -> None:
        try:
            await self._send(parcel)
        except Exception:
            log.exception("parcel left to its lease", event_id=str(parcel.event.id))
        finally:
            lane.under_way -= 1
            parcel.stage = Stage.ENDED
            task = asyncio.current_task()
            if task is not None:
                self._tasks.discard(task)
            metrics.IN_FLIGHT.set(len(self._tasks))
            self._next(parcel.receiver.id, lane)
            self._freed()

    def _next(self, endpoint_id: UUID, lane: _Lane) -> None:
        """Fill the free place: the same endpoint's next parcel, else another endpoint's whose turn it is."""
        self._begin_waiting(lane)
        for _ in range(len(self._turns)):
            if len(self._tasks) >= self._total:
                break
            turn = self._turns.popleft()
            other = self._lanes.get(turn)
            if other is None or not other.waiting:
                continue
            if other.under_way >= self._each:
                self._turns.append(turn)
                continue
            self._begin_waiting(other)
        if not lane.under_way and not lane.waiting:
            self._lanes.pop(endpoint_id, None)

    def _begin_waiting(self, lane: _Lane) -> None:
        while lane.waiting and lane.under_way < self._each and len(self._tasks) < self._total:
            parcel = lane.waiting.popleft()
            if parcel.stage is Stage.WAITING:
                self._begin(lane, parcel)
