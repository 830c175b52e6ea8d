"""Deadlines of requests: all of one length, so the oldest ends first and none needs a timer of its own."""

import asyncio
from collections import OrderedDict

GRAIN = 1 / 64
"""How late a deadline may be noticed, as a part of its length."""


class Deadline:
    """The end of one request's time; `expired` once that has come, and the task has been cancelled for it."""

    __slots__ = ("_open", "at", "expired", "task")

    def __init__(self, task: "asyncio.Task[object]", at: float, among: "OrderedDict[Deadline, None]") -> None:
        self.task = task
        self.at = at
        self.expired = False
        self._open = among
        among[self] = None

    def end(self) -> None:
        """Leave the task alone from now on; one that has ended, or expired, stays as it is."""
        self._open.pop(self, None)


class Deadlines:
    """Cancels tasks that are not done within `seconds`, of one event loop at a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: OrderedDict[Deadline, None] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> Deadline:
        """Have the running task cancelled when its time is over, unless the deadline ends first."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._timer, self._open = loop, None, OrderedDict()
        task = asyncio.current_task(loop)
        assert task is not None
        deadline = Deadline(task, loop.time() + self._seconds, self._open)
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look, loop)
        return deadline

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._open:
            deadline = next(iter(self._open))
            if deadline.at > now:
                break
            deadline.end()
            deadline.expired = True
            deadline.task.cancel()
        self._timer = None
        if self._open:
            wait = next(iter(self._open)).at - now
            self._timer = loop.call_later(max(wait, self._seconds * GRAIN), self._look, loop)
