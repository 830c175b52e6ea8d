"""An open loop: work begins at a steady rate, whatever the earlier work takes."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any


async def open_loop(rate: float, seconds: float, work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Begin `work` so often a second for so long, and wait for all of it."""
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(max(1, int(rate * seconds))):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            group.create_task(work(number))
