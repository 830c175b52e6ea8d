"""`python -m bench webhooks [--only a,b] [--rounds N] [--scale X] [--quick] [--write FILE]`: ends with 1 when a bar is missed.

`--quick` tries every scenario out in about a minute, too short to be judged: bars are printed and decide nothing.
"""

import argparse
import asyncio
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from . import backlog, cpu, drains, fanout, isolation, latency
from .report import Section, document, machine
from .world import World, running, world

Measure = Callable[..., Awaitable[Section]]

SCENARIOS: dict[str, Measure] = {
    "a": drains.measure_drains,
    "b": latency.measure_latency,
    "c": isolation.measure_isolation,
    "d": fanout.measure_fanout,
    "e": drains.measure_failures,
    "f": backlog.measure_backlog,
}
ROUNDS = {"c": isolation.PAIRS}
"""How often a scenario is measured when nothing is said; three times where it is not here."""
DOORS = 100
QUICK_SCALE = 0.02


async def measure(found: World, options: argparse.Namespace) -> list[Section]:
    """Run the scenarios that were asked for, and print each when it is done."""
    about = machine(found.stack.postgres.version(), found.stack.nats.version())
    print(f"{about}\n", flush=True)
    command = f"python -m bench webhooks {shlex.join(options.given)}".strip()
    sections = []
    for name in options.only:
        section = await SCENARIOS[name](found, rounds=options.rounds or ROUNDS.get(name, 3), scale=options.scale)
        sections.append(section)
        print(f"{section.text()}\n", flush=True)
        if options.write:  # at once: the next scenario may take long, and may fail
            options.write.write_text(document(about, command, sections))
    return sections


async def run(options: argparse.Namespace) -> bool:
    """Start everything in a temporary folder, measure, end it; True when every bar is met."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # so that everything is put away
    os.sched_setaffinity(0, cpu.cores()[1])  # and so is what is started from here, until it is told otherwise
    with (
        tempfile.TemporaryDirectory(prefix="flowtask-bench-") as folder,
        running(Path(folder) / "home", doors=DOORS, timeout=1.5 if options.quick else 10.0) as (stack, receiver),
    ):
        async with world(stack, receiver) as found:
            sections = await measure(found, options)
    missed = [bar for section in sections for bar in section.bars if not bar.met]
    for bar in missed:
        print(f"missed: {bar}")
    return options.quick or not missed


def read_options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench webhooks", description=__doc__)
    parser.add_argument("--only", type=_names, default=list(SCENARIOS), help="these scenarios, as a,b,c")
    parser.add_argument("--rounds", type=int, help="of each scenario (3, and 5 pairs of c)")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes and times; 1 is what the bars are about")
    parser.add_argument("--quick", action="store_true", help="try everything out, tiny and unjudged")
    parser.add_argument("--write", type=Path, help="write the findings into this file")
    options = parser.parse_args()
    options.given = [word for word in sys.argv[1:] if not word.startswith("--write") and word != str(options.write)]
    if options.quick:
        options.rounds, options.scale = 1, QUICK_SCALE
    return options


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise argparse.ArgumentTypeError(f"no scenario {unknown[0]}; there are {', '.join(SCENARIOS)}")
    return names


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("this measurement reads /proc and needs Linux")
    try:
        met = uvloop.run(run(read_options()))
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None
    raise SystemExit(0 if met else 1)
