"""Loops that live as long as the service: one that fails is logged and begun anew, never silently gone."""

import asyncio
from collections.abc import Awaitable, Callable

from flowtask_kit import logs, metrics
from flowtask_kit.cancelling import end

log = logs.get(__name__)


class Background:
    """Runs named loops; `stop` cancels them and waits."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Run a loop until stop; after an exception it is begun anew with growing pauses up to 5 s."""
        self._tasks.append(asyncio.create_task(self._supervise(name, loop), name=name))

    async def stop(self) -> None:
        """End all loops, the last started first."""
        for task in reversed(self._tasks):
            await end(task, again_after=5.0)
        self._tasks.clear()

    async def _supervise(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        pause = 0.1
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                await loop()
            except Exception:
                metrics.LOOP_RESTARTS.labels(name).inc()
                if asyncio.get_running_loop().time() - begun > 60:  # noqa: PLR2004 - a minute of health forgives
                    pause = 0.1
                log.exception("loop failed, beginning anew", loop=name, pause=pause)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
