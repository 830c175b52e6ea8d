"""(c) Ten endpoints, of which one hangs until the deadline of each attempt and one refuses connections: what the other eight feel.

Runs with the two and without them take turns, each pair in another order; the ratio of their p99 is judged by its median.
"""

import statistics
import time

from . import events
from .pace import open_loop
from .report import Bar, Section, percentiles, spread
from .world import World

PAIRS = 5
RATE = 25.0
"""Events a second, each to every endpoint."""
SECONDS = 20.0
"""Twice the deadline of an attempt, so that every stage of hanging is in it."""
HEALTHY = 8
MOST_TIMES = 1.5


async def measure_isolation(world: World, *, rounds: int, scale: float) -> Section:
    """Scenario (c); all processes may run on every core."""
    world.pin(apart=False)
    seconds = max(2.0, SECONDS * scale)
    runs: dict[bool, list[list[float]]] = {True: [], False: []}
    for number in range(rounds):
        for troubled in (True, False) if number % 2 else (False, True):
            runs[troubled].append(await waits(world, seconds, troubled=troubled))
    title = f"(c) Eight endpoints that answer, at {RATE:g} events a second to each, {len(runs[True])} pairs of {seconds:g} s"
    section = Section(title, ["", "p50 ms", "p95 ms", "p99 ms", "max ms"])
    tails = {}
    for troubled, name in ((False, "the eight alone"), (True, "beside one that hangs and one that refuses")):
        points = [percentiles(run) for run in runs[troubled]]
        tails[troubled] = [p99 for _, _, p99 in points]
        slowest = spread([max(run) for run in runs[troubled]], 1)
        section.rows.append([name, *(spread([each[n] for each in points], 2) for n in range(3)), slowest])
    ratios = [beside / alone for beside, alone in zip(tails[True], tails[False], strict=True)]
    section.notes.append(f"p99 beside them, times p99 alone, by pair: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    section.bars.append(Bar("(c) p99 of the healthy beside p99 without, median", statistics.median(ratios), MOST_TIMES))
    return section


async def waits(world: World, seconds: float, *, troubled: bool) -> list[float]:
    """Milliseconds from before each publish to each arrival at a healthy endpoint."""
    async with world.workspace([world.receiver.url(door) for door in range(HEALTHY)]) as workspace:
        rows = events.make(workspace.id, int(RATE * (1 + seconds)) + 2)
        sent: dict[bytes, int] = {}

        async def one(_: int) -> None:
            row = rows.pop()
            sent[str(row.event_id).encode()] = time.perf_counter_ns()
            await world.publish([row])

        await open_loop(RATE, 1.0, one)
        await world.receiver.until(len(sent) * HEALTHY, 60)
        warm = set(sent)
        trouble = [world.receiver.hanging_url(), world.receiver.refusing_url()] if troubled else []
        others = await world.subscribe(trouble, workspace.id)
        await open_loop(RATE, seconds, one)
        await world.receiver.until(len(sent) * HEALTHY, 120)
        arrivals = world.receiver.arrivals()
        await world.forget(others)
        return [
            (came[event] - at) / 1e6 for came in arrivals.values() for event, at in sent.items() if event not in warm
        ]
