"""(d) One event to a hundred endpoints: how long until the last one has it, and what a burst of such events costs."""

import asyncio
import time
from uuid import UUID

from . import events
from .drains import PROCESSES, drain
from .report import Section, percentiles, spread
from .world import World

ENDPOINTS = 100
SINGLE = 100
"""Events one after another, each once the one before has arrived everywhere."""
BURST = 300


async def measure_fanout(world: World, *, rounds: int, scale: float) -> Section:
    """Scenario (d)."""
    world.pin(apart=True)
    single, burst = max(5, int(SINGLE * scale)), max(5, int(BURST * scale))
    lasts: list[list[float]] = []
    found = []
    async with world.workspace([world.receiver.url(door) for door in range(ENDPOINTS)]) as workspace:
        await world.publish(events.make(workspace.id, 20))
        await world.receiver.until(20 * ENDPOINTS, 60)
        for _ in range(rounds):
            world.receiver.clear()
            lasts.append([await _until_the_last(world, workspace.id) for _ in range(single)])
            await world.settled(workspace)
            found.append(await drain(world, workspace, burst))
    section = Section(
        f"(d) One event to {ENDPOINTS} endpoints, the dispatcher on a core of its own",
        ["", "to the last, p50 ms", "p99 ms", "deliveries/s", *(f"CPU {name}" for name in PROCESSES)],
    )
    points = [percentiles(each) for each in lasts]
    section.rows.append(
        [f"{single} events, one after another", *(spread([each[n] for each in points], 1) for n in (0, 2)), *[""] * 5]
    )
    section.rows.append(
        [
            f"{burst} events at once",
            *["", ""],
            spread([each.per_second for each in found]),
            *(spread([each.cpu[name] for each in found], 1) for name in PROCESSES),
        ]
    )
    return section


async def _until_the_last(world: World, workspace_id: UUID) -> float:
    """Milliseconds from before the publish to the last of the hundred having the event."""
    before = world.receiver.count().arrived
    rows = events.make(workspace_id, 1)
    sent = time.perf_counter_ns()
    await world.publish(rows)
    await world.receiver.until(before + ENDPOINTS, 60)
    event = str(rows[0].event_id).encode()
    last = max(came[event] for came in world.receiver.arrivals().values())
    await asyncio.sleep(0.01)
    return (last - sent) / 1e6
