"""(b) From an event to the receiver having it, at steady rates.

"stream": from the moment before an event is published to JetStream, its acknowledgement (an fsync) included. "API": from the
moment before a client sends `POST /tasks`: the API, its commit, the outbox and its relay included; and from the client having
read the 201, which is what was promised by then.
"""

import statistics
import time
from uuid import UUID

from bench.latency import Client

from . import events
from .pace import open_loop
from .report import Bar, Section, percentiles, spread
from .world import World

MOST_P99 = 25.0
"""Milliseconds, at 100 a second."""
RATES = (100, 500)
API_RATE = 100
SECONDS = 20.0
WARM_UP = 1.0


async def measure_latency(world: World, *, rounds: int, scale: float) -> Section:
    """Scenario (b); all processes may run on every core."""
    world.pin(apart=False)
    seconds = max(1.0, SECONDS * scale)
    section = Section("(b) From the event to the receiver, one endpoint, open loop", ["", "p50 ms", "p95 ms", "p99 ms"])
    for rate in RATES:
        runs = [await from_stream(world, rate, seconds) for _ in range(rounds)]
        _add(section, f"stream, {rate}/s, from before the publish", runs, judged=rate == min(RATES))
    both = [await from_api(world, API_RATE, seconds) for _ in range(rounds)]
    _add(section, f"API, {API_RATE}/s, from before the POST", [sent for sent, _ in both])
    _add(section, f"API, {API_RATE}/s, from the 201", [answered for _, answered in both], judged=True)
    return section


async def from_stream(world: World, rate: float, seconds: float) -> list[float]:
    """Milliseconds from before each publish to its arrival."""
    async with world.workspace([world.receiver.url(0)]) as workspace:
        rows = events.make(workspace.id, int(rate * (WARM_UP + seconds)) + 2)
        sent: dict[bytes, int] = {}

        async def one(_: int) -> None:
            row = rows.pop()
            sent[str(row.event_id).encode()] = time.perf_counter_ns()
            await world.publish([row])

        await open_loop(rate, WARM_UP, one)
        warm = set(sent)
        await open_loop(rate, seconds, one)
        await world.receiver.until(len(sent), 60)
        came = world.receiver.arrivals()[0]
        return [(came[event] - at) / 1e6 for event, at in sent.items() if event not in warm]


async def from_api(world: World, rate: float, seconds: float) -> tuple[list[float], list[float]]:
    """Milliseconds from before each POST, and from its 201, to the arrival."""
    seed = world.stack.seed()
    client = Client(world.stack.service("api").port, seed["apiKey"])
    workspace = await world.subscribe([world.receiver.url(0)], UUID(seed["workspaceId"]))
    sent: dict[str, int] = {}
    answered: dict[str, int] = {}

    async def one(number: int) -> None:
        begun = time.perf_counter_ns()
        task = str((await client.post("/tasks", {"title": f"task {number}", "description": "x" * 500}))["id"])
        sent[task], answered[task] = begun, time.perf_counter_ns()

    await open_loop(rate, WARM_UP, one)
    warm = set(sent)
    await open_loop(rate, seconds, one)
    await world.receiver.until(len(sent), 60)
    await world.settled(workspace)
    came = world.receiver.arrivals()[0]
    rows = await world.database.fetch(
        "SELECT event_id, resource_id FROM webhooks.deliveries WHERE endpoint_id = ANY($1)", list(workspace.endpoints)
    )
    arrived = {row["resource_id"]: came[str(row["event_id"]).encode()] for row in rows}
    await world.forget(workspace)
    world.receiver.clear()
    tasks = [task for task in sent if task not in warm]
    return [(arrived[task] - sent[task]) / 1e6 for task in tasks], [
        (arrived[task] - answered[task]) / 1e6 for task in tasks
    ]


def _add(section: Section, name: str, runs: list[list[float]], *, judged: bool = False) -> None:
    """A row of medians over the runs; where it is judged, the median p99 has the bar."""
    points = [percentiles(run) for run in runs]
    section.rows.append([name, *(spread([each[number] for each in points], 2) for number in range(3))])
    if judged:
        p99 = statistics.median(each[2] for each in points)
        section.bars.append(Bar(f"(b) {name}: p99", p99, MOST_P99, " ms"))
