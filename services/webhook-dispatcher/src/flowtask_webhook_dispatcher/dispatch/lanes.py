"""Who is sent to next: a short queue per endpoint, and bounds on what is under way, per endpoint, per workspace and in all."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from flowtask_kit import logs

from . import metrics
from .work import Parcel, Stage

log = logs.get(__name__)

QUEUE = 100
"""Parcels that may wait in memory for one endpoint, however slow; what does not fit becomes a due row."""
MOST_WAITING = 1000
"""The same for an endpoint that takes them all within half a second, as every endpoint is trusted to at first."""
AHEAD_SECONDS = 0.5
"""Due rows are claimed for about this long ahead, so that a fast receiver never waits for a claim."""
MOST_AHEAD = 8
"""Sets of `each` that may be claimed ahead at most, however fast the receiver is."""


class _Lane:
    __slots__ = ("id", "known", "seconds", "under_way", "waiting", "workspace_id")

    def __init__(self, endpoint_id: UUID, workspace_id: UUID) -> None:
        self.id = endpoint_id
        self.workspace_id = workspace_id
        self.waiting: OrderedDict[Parcel, None] = OrderedDict()
        self.under_way = 0
        self.seconds = AHEAD_SECONDS
        self.known = False
        """Whether an attempt has ended, so that it is known how long they take."""

    def took(self, seconds: float) -> None:
        """An attempt has ended."""
        self.seconds = max(0.8 * self.seconds + 0.2 * seconds if self.known else seconds, 0.001)
        self.known = True


class _Place:
    """One of the places for attempts under way, and what is being sent from it."""

    __slots__ = ("parcel",)

    def __init__(self, parcel: Parcel) -> None:
        self.parcel = parcel


class Lanes:
    """Runs `send` for each parcel, at most `at_once` of an endpoint and `total` in all; workspaces take turns, and endpoints.

    The last quarter of the places is for endpoints that have none, and half of that for workspaces that have none: neither
    a few hanging receivers nor many of one owner can take them all. `freed` hears of each endpoint that has more room than
    before. While this process itself is `short`, queues are as long as they get: that is not the endpoints' doing.
    `close` ends it: nothing more is begun.
    """

    def __init__(
        self,
        send: Callable[[Parcel], Awaitable[None]],
        freed: Callable[[UUID], None],
        at_once: Callable[[UUID], int],
        *,
        total: int,
        short: Callable[[], bool] = lambda: False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._freed = freed
        self._at_once = at_once
        self._total = total
        self._reserve = total // 4
        self._short = short
        self._lanes: dict[UUID, _Lane] = {}
        self._of_workspace: Counter[UUID] = Counter()
        """Attempts under way."""
        self._turns: OrderedDict[UUID, OrderedDict[UUID, None]] = OrderedDict()
        """Endpoints, by workspace, that wait for a place although they are not at their own limit, the longest waiting first."""
        self._places: dict[asyncio.Task[None], _Place] = {}
        self._waiting = 0
        self._closed = False
        metrics.IN_FLIGHT.set_function(lambda: len(self._places))

    @property
    def in_hand(self) -> int:
        """Parcels that wait or are under way."""
        return self._waiting + len(self._places)

    def offer(self, parcel: Parcel) -> bool:
        """Send it as soon as there is room; False when the endpoint's queue is full."""
        receiver = parcel.receiver
        lane = self._lanes.get(receiver.id)
        if lane is None:
            lane = self._lanes[receiver.id] = _Lane(receiver.id, receiver.workspace_id)
        waiting = len(lane.waiting)
        if waiting >= QUEUE and waiting >= self._may_wait(lane) and not self._short():
            return False
        lane.waiting[parcel] = None
        self._waiting += 1
        self._advance(lane)
        return True

    def room(self, endpoint_id: UUID) -> int:
        """How many due rows to claim for an endpoint: enough for the next half second, 0 until half of that is free."""
        lane, each = self._lanes.get(endpoint_id), self._at_once(endpoint_id)
        ahead, taken = 2 * each, 0
        if lane is not None:
            sets = min(1 + AHEAD_SECONDS / lane.seconds, MOST_AHEAD)
            ahead = min(int(each * sets), each + QUEUE)
            taken = lane.under_way + len(lane.waiting)
        free = ahead - taken
        return min(free, self._total - len(self._places)) if 2 * free >= ahead else 0

    def waits(self, endpoint_id: UUID) -> bool:
        """Whether something waits in memory for this endpoint."""
        lane = self._lanes.get(endpoint_id)
        return lane is not None and bool(lane.waiting)

    def _may_wait(self, lane: _Lane) -> int:
        if not lane.known:
            return MOST_WAITING
        return min(int(self._at_once(lane.id) * AHEAD_SECONDS / lane.seconds), MOST_WAITING)

    def withdraw(self, parcel: Parcel) -> None:
        """Take back a parcel that was not sent yet."""
        parcel.stage = Stage.ENDED
        lane = self._lanes.get(parcel.receiver.id)
        if lane is not None and parcel in lane.waiting:
            del lane.waiting[parcel]
            self._waiting -= 1
            self._tidy(lane)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._places:
            await asyncio.wait(set(self._places))

    def close(self) -> list[Parcel]:
        """Begin nothing more; returns what was not sent, withdrawn."""
        self._closed = True
        unsent = [parcel for lane in self._lanes.values() for parcel in lane.waiting]
        for task, place in self._places.items():
            if place.parcel.stage is Stage.WAITING:
                unsent.append(place.parcel)
                task.cancel()
        for parcel in unsent:
            self.withdraw(parcel)
        return unsent

    def abandon(self) -> None:
        """Cancel what is under way."""
        for task in self._places:
            task.cancel()

    def _advance(self, lane: _Lane) -> None:
        """Begin what this lane may begin now; let it wait for its turn if only the places of all are taken."""
        if not lane.waiting or self._closed:
            return
        each = self._at_once(lane.id)
        while lane.waiting and lane.under_way < each:
            if not self._has_place(lane):
                self._turns.setdefault(lane.workspace_id, OrderedDict()).setdefault(lane.id)
                return
            self._begin(lane)

    def _has_place(self, lane: _Lane, given: int = 0) -> bool:
        """Whether it may have one more of the places, once it has given up so many of its own."""
        free = self._total - len(self._places) + given
        if lane.under_way > given:
            return free > self._reserve
        return free > (self._reserve // 2 if self._of_workspace[lane.workspace_id] > given else 0)

    def _begin(self, lane: _Lane) -> None:
        place = _Place(self._pop(lane))
        lane.under_way += 1
        self._of_workspace[lane.workspace_id] += 1
        task = self._loop.create_task(self._run(lane, place))
        self._places[task] = place
        task.add_done_callback(partial(self._ended, lane))

    async def _run(self, lane: _Lane, place: _Place) -> None:
        """Send a parcel, and then the next of the same lane for as long as that may have the place: a task for each is dear."""
        clock, send = self._loop.time, self._send
        begun = clock()
        while True:
            parcel = place.parcel
            try:
                await send(parcel)
            except Exception:
                log.exception("parcel left to its message or lease")
            finally:
                parcel.stage = Stage.ENDED
                ended = clock()
                lane.took(ended - begun)
            following = self._next(lane)
            if following is None:
                return
            place.parcel, begun = following, ended

    def _next(self, lane: _Lane) -> Parcel | None:
        """The parcel that may take over the place of one that has ended; None where another lane may have the better claim."""
        if self._turns or self._closed or not lane.waiting:
            return None
        if lane.under_way > self._at_once(lane.id) or not self._has_place(lane, given=1):
            return None
        self._freed(lane.id)
        return self._pop(lane)

    def _pop(self, lane: _Lane) -> Parcel:
        self._waiting -= 1
        return lane.waiting.popitem(last=False)[0]

    def _ended(self, lane: _Lane, task: "asyncio.Task[None]") -> None:
        del self._places[task]
        lane.under_way -= 1
        self._of_workspace[lane.workspace_id] -= 1
        if self._turns:
            self._give_place()
        self._advance(lane)
        self._tidy(lane)
        self._freed(lane.id)

    def _give_place(self) -> None:
        """One of the free places goes to the workspace, and of it to the endpoint, that has waited longest for one."""
        if self._closed or len(self._places) >= self._total:
            return
        for workspace_id, endpoints in list(self._turns.items()):
            for endpoint_id in list(endpoints):
                lane = self._lanes[endpoint_id]
                if lane.under_way >= self._at_once(endpoint_id):
                    self._leave(lane)  # its own limit holds it; when one of its own ends it goes on
                elif self._has_place(lane):
                    self._leave(lane)
                    self._begin(lane)
                    if lane.waiting:
                        self._turns.setdefault(workspace_id, OrderedDict())[endpoint_id] = None
                    if workspace_id in self._turns:
                        self._turns.move_to_end(workspace_id)
                    return

    def _leave(self, lane: _Lane) -> None:
        """It waits for no place any more."""
        waiting = self._turns.get(lane.workspace_id)
        if waiting is not None:
            waiting.pop(lane.id, None)
            if not waiting:
                del self._turns[lane.workspace_id]

    def _tidy(self, lane: _Lane) -> None:
        if not lane.waiting:
            self._leave(lane)
            if not lane.under_way:
                self._lanes.pop(lane.id, None)
                if not self._of_workspace[lane.workspace_id]:
                    del self._of_workspace[lane.workspace_id]
