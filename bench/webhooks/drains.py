"""A stream that is full before the dispatcher wakes: how fast it empties, and what each delivery costs whom.

(a) 50,000 events to one endpoint and 5,000 to ten, beside the same POSTs by the transport object alone, in turns.
(e) 5,000 to ten while one answer in a hundred is a 503.
"""

import statistics
import time
from dataclasses import dataclass

from . import cpu, events
from .alone import Alone, alone
from .report import Bar, Section, spread
from .world import Workspace, World

EACH = 16
"""Attempts that the dispatcher makes at once to one endpoint, by its default settings."""
MOST_TIMES_ALONE = 2.5
WARM_UP = 200
PROCESSES = ("dispatcher", "postgres", "nats", "receiver")


@dataclass(frozen=True)
class Drain:
    """One stream emptied; `cpu` is microseconds for each delivery by process."""

    deliveries: int
    per_second: float
    cpu: dict[str, float]
    refused: int
    repeats: int


async def drain(world: World, workspace: Workspace, count: int) -> Drain:
    """Fill the stream while the dispatcher sleeps, wake it, and wait until all is delivered and on record."""
    deliveries = count * len(workspace.endpoints)
    rows = events.make(workspace.id, count)
    before = world.receiver.count()
    with world.asleep():
        await world.publish(rows)
        used, begun = cpu.readings(world.pids), time.perf_counter_ns()
    after = await world.receiver.until(before.arrived + deliveries, 120 + deliveries / 50)
    await world.settled(workspace)
    spent = cpu.used_since(used, world.pids)
    last = max(at for door in world.receiver.arrivals().values() for at in door.values())
    return Drain(
        deliveries=deliveries,
        per_second=deliveries / (last - begun) * 1e9,
        cpu={name: seconds / deliveries * 1e6 for name, seconds in spent.items()},
        refused=after.refused - before.refused,
        repeats=after.repeats - before.repeats,
    )


async def drained(world: World, endpoints: int, count: int, *, fails: float = 0.0) -> Drain:
    """`drain` in a fresh workspace, after a few events that open connections."""
    doors = range(endpoints)
    async with world.workspace([world.receiver.url(door) for door in doors]) as workspace:
        await world.publish(events.make(workspace.id, max(1, WARM_UP // endpoints)))
        await world.receiver.until(max(1, WARM_UP // endpoints) * endpoints, 60)
        await world.settled(workspace)
        for door in doors:
            world.receiver.fail(door, fails)
        return await drain(world, workspace, count)


async def measure_drains(world: World, *, rounds: int, scale: float) -> Section:
    """Scenario (a)."""
    world.pin(apart=True)
    section = Section(
        "(a) Draining a full stream, the dispatcher on a core of its own",
        ["", "deliveries/s", *(f"CPU {name}" for name in PROCESSES), "alone POST/s", "CPU alone", "times alone"],
    )
    core = min(cpu.cores()[0])
    for endpoints, count in ((1, int(50_000 * scale)), (10, int(5_000 * scale))):
        found: list[tuple[Drain, Alone]] = []
        for _ in range(rounds):
            one = await drained(world, endpoints, count)
            ports = world.receiver.ports[:endpoints]
            found.append((one, await alone(ports, each=EACH, posts=count * endpoints, core=core)))
        name = f"{count:,} events to {endpoints} endpoint{'s' if endpoints > 1 else ''}"
        ratios = [drain.cpu["dispatcher"] / transport.cpu for drain, transport in found]
        section.rows.append(
            [
                name,
                *_cells([drain for drain, _ in found]),
                spread([transport.per_second for _, transport in found]),
                spread([transport.cpu for _, transport in found], 1),
                spread(ratios, 2),
            ]
        )
        what = f"(a) {name}: CPU of the dispatcher for a delivery, times the transport alone"
        section.bars.append(Bar(what, statistics.median(ratios), MOST_TIMES_ALONE))
        section.notes += _repeats(name, [drain for drain, _ in found])
    return section


async def measure_failures(world: World, *, rounds: int, scale: float) -> Section:
    """Scenario (e)."""
    world.pin(apart=True)
    section = Section(
        "(e) One answer in a hundred is a 503, ten endpoints, the dispatcher on a core of its own",
        ["", "deliveries/s", *(f"CPU {name}" for name in PROCESSES), "503s", "arrived"],
    )
    for fails in (0.0, 0.01):
        found = [await drained(world, 10, int(5_000 * scale), fails=fails) for _ in range(rounds)]
        section.rows.append(
            [
                "all answers 200" if not fails else "1 % of answers 503",
                *_cells(found),
                spread([each.refused for each in found]),
                f"{sum(each.deliveries for each in found):,} of {sum(each.deliveries for each in found):,}",
            ]
        )
        section.notes += _repeats(f"{fails:.0%} errors", found)
    section.notes.append("Deliveries/s with errors includes the second that a retry waits.")
    return section


def _cells(found: list[Drain]) -> list[str]:
    return [
        spread([each.per_second for each in found]),
        *(spread([each.cpu[name] for each in found], 1) for name in PROCESSES),
    ]


def _repeats(name: str, found: list[Drain]) -> list[str]:
    repeats = sum(each.repeats for each in found)
    return [f"{name}: {repeats} deliveries arrived more than once."] if repeats else []
