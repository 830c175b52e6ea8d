"""Who is sent to next: a short queue per endpoint, and bounds on what is under way, per endpoint, per workspace and in all."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
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
    __slots__ = ("known", "seconds", "under_way", "waiting", "workspace_id")

    def __init__(self, workspace_id: UUID) -> None:
        self.workspace_id = workspace_id
        self.waiting: OrderedDict[Parcel, None] = OrderedDict()
        self.under_way = 0
        self.seconds = AHEAD_SECONDS
        self.known = False
        """Whether an attempt has ended, so that it is known how long they take."""


class Lanes:
    """Runs `send` for each parcel, at most `at_once` of an endpoint and `total` in all; workspaces take turns, and endpoints.

    The last quarter of the places is for endpoints that have none, and half of that for workspaces that have none: neither
    a few hanging receivers nor many of one owner can take them all. `freed` hears of each endpoint that has more room than
    before. `close` ends it: nothing more is begun.
    """

    def __init__(
        self,
        send: Callable[[Parcel], Awaitable[None]],
        freed: Callable[[UUID], None],
        at_once: Callable[[UUID], int],
        *,
        total: int,
    ) -> None:
        self._send = send
        self._freed = freed
        self._at_once = at_once
        self._total = total
        self._reserve = total // 4
        self._lanes: dict[UUID, _Lane] = {}
        self._of_workspace: Counter[UUID] = Counter()
        """Attempts under way."""
        self._turns: OrderedDict[UUID, OrderedDict[UUID, None]] = OrderedDict()
        """Endpoints, by workspace, that wait for a place although they are not at their own limit, the longest waiting first."""
        self._tasks: dict[asyncio.Task[None], Parcel] = {}
        self._closed = False

    def offer(self, parcel: Parcel) -> bool:
        """Send it as soon as there is room; False when the endpoint's queue is full."""
        endpoint_id = parcel.receiver.id
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            lane = self._lanes[endpoint_id] = _Lane(parcel.receiver.workspace_id)
        if len(lane.waiting) >= QUEUE and len(lane.waiting) >= self._may_wait(endpoint_id, lane):
            return False
        lane.waiting[parcel] = None
        self._advance(endpoint_id, lane)
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
        return min(free, self._total - len(self._tasks)) if 2 * free >= ahead else 0

    def _may_wait(self, endpoint_id: UUID, lane: _Lane) -> int:
        if not lane.known:
            return MOST_WAITING
        return min(int(self._at_once(endpoint_id) * AHEAD_SECONDS / lane.seconds), MOST_WAITING)

    def withdraw(self, parcel: Parcel) -> None:
        """Take back a parcel that was not sent yet."""
        parcel.stage = Stage.ENDED
        endpoint_id = parcel.receiver.id
        lane = self._lanes.get(endpoint_id)
        if lane is not None and parcel in lane.waiting:
            del lane.waiting[parcel]
            self._tidy(endpoint_id, lane)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def close(self) -> list[Parcel]:
        """Begin nothing more; returns what was not sent, withdrawn."""
        self._closed = True
        unsent = [parcel for lane in self._lanes.values() for parcel in lane.waiting]
        for task, parcel in self._tasks.items():
            if parcel.stage is Stage.WAITING:
                unsent.append(parcel)
                task.cancel()
        for parcel in unsent:
            self.withdraw(parcel)
        return unsent

    def abandon(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()

    def _advance(self, endpoint_id: UUID, lane: _Lane) -> None:
        """Begin what this lane may begin now; let it wait for its turn if only the places of all are taken."""
        if not lane.waiting or self._closed:
            return
        each = self._at_once(endpoint_id)
        while lane.waiting and lane.under_way < each:
            if not self._has_place(lane):
                self._turns.setdefault(lane.workspace_id, OrderedDict()).setdefault(endpoint_id)
                return
            self._begin(endpoint_id, lane)

    def _has_place(self, lane: _Lane) -> bool:
        free = self._total - len(self._tasks)
        if lane.under_way:
            return free > self._reserve
        return free > (self._reserve // 2 if self._of_workspace[lane.workspace_id] else 0)

    def _begin(self, endpoint_id: UUID, lane: _Lane) -> None:
        parcel, _ = lane.waiting.popitem(last=False)
        lane.under_way += 1
        self._of_workspace[lane.workspace_id] += 1
        task = asyncio.create_task(self._run(parcel))
        self._tasks[task] = parcel
        metrics.IN_FLIGHT.set(len(self._tasks))
        begun = asyncio.get_running_loop().time()
        task.add_done_callback(lambda done: self._ended(done, endpoint_id, lane, begun))

    async def _run(self, parcel: Parcel) -> None:
        try:
            await self._send(parcel)
        finally:
            parcel.stage = Stage.ENDED

    def _ended(self, task: "asyncio.Task[None]", endpoint_id: UUID, lane: _Lane, begun: float) -> None:
        del self._tasks[task]
        metrics.IN_FLIGHT.set(len(self._tasks))
        lane.under_way -= 1
        self._of_workspace[lane.workspace_id] -= 1
        took = asyncio.get_running_loop().time() - begun
        lane.seconds = max(0.8 * lane.seconds + 0.2 * took if lane.known else took, 0.001)
        lane.known = True
        if self._turns:
            self._give_place()
        self._advance(endpoint_id, lane)
        self._tidy(endpoint_id, lane)
        self._freed(endpoint_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("parcel left to its message or lease", exc_info=error)

    def _give_place(self) -> None:
        """One of the free places goes to the workspace, and of it to the endpoint, that has waited longest for one."""
        if self._closed or len(self._tasks) >= self._total:
            return
        for workspace_id, endpoints in list(self._turns.items()):
            for endpoint_id in list(endpoints):
                lane = self._lanes[endpoint_id]
                if lane.under_way >= self._at_once(endpoint_id):
                    self._leave(
                        workspace_id, endpoint_id
                    )  # its own limit holds it; when one of its own ends it goes on
                elif self._has_place(lane):
                    self._leave(workspace_id, endpoint_id)
                    self._begin(endpoint_id, lane)
                    if lane.waiting:
                        self._turns.setdefault(workspace_id, OrderedDict())[endpoint_id] = None
                    if workspace_id in self._turns:
                        self._turns.move_to_end(workspace_id)
                    return

    def _leave(self, workspace_id: UUID, endpoint_id: UUID) -> None:
        """It waits for no place any more."""
        waiting = self._turns.get(workspace_id)
        if waiting is not None:
            waiting.pop(endpoint_id, None)
            if not waiting:
                del self._turns[workspace_id]

    def _tidy(self, endpoint_id: UUID, lane: _Lane) -> None:
        if not lane.waiting:
            self._leave(lane.workspace_id, endpoint_id)
            if not lane.under_way:
                self._lanes.pop(endpoint_id, None)
                if not self._of_workspace[lane.workspace_id]:
                    del self._of_workspace[lane.workspace_id]
