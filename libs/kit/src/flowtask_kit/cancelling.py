"""Ending a task for certain."""

import asyncio
from typing import Any


async def end(task: "asyncio.Task[Any]", *, again_after: float) -> None:
    """Cancel a task and wait for its end; what it raises is dropped.

    `asyncio.wait_for` (until Python 3.12, also inside libraries) can lose a cancellation that comes together with a
    result, and a loop would go on for ever: so it is cancelled again after so many seconds, longer than its cleanup takes.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=again_after)
    if not task.cancelled():
        task.exception()
