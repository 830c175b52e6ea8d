"""Each service in turn away for a minute, while tasks are written at a steady rate and everybody else works on.

Run: python -m bench outages [--seconds 60] [--rate 20] [--service NAME ...] [--how kill|stop]. Prints one line for each
outage and ends with 1 when anything was lost, doubled, altered or answered wrongly. Servers are as durable as in
production, and nothing is helped along: catching up takes as long as leases and ack waits take.
"""

import argparse
import asyncio
import os
import platform
import tempfile
from pathlib import Path

from tests.e2e.outages import DEADLINE, Outcome, outage

from flowtask_contracts.topology import FLOWTASK
from flowtask_local.services import AT_FULL_SPEED
from flowtask_local.stack import Stack

BEFORE = 10.0
"""Seconds of writes before each outage."""

COLUMNS = (
    ("service", 18),
    *(("dead s", 7), ("accepted", 9), ("failed", 7), ("503s", 5), ("slowest", 9), ("catch-up", 9)),
    *(("webhooks", 9), ("repeats", 8), ("mails", 6), ("doubled", 8), ("lost", 5)),
)


def line(outcome: Outcome) -> str:
    """The accounts of one outage as a row of the table."""
    values = (
        outcome.service,
        *(f"{outcome.seconds:.1f}", outcome.accepted, outcome.failed, outcome.refusals),
        *(f"{outcome.slowest * 1000:.0f} ms", f"{outcome.catch_up:.1f} s"),
        *(outcome.webhooks, outcome.repeats, outcome.mails, outcome.doubled, outcome.lost),
    )
    return _row(str(value) for value in values)


def _row(values) -> str:
    first, *others = (
        f"{value:{'<' if width > 9 else '>'}{width}}" for value, (_, width) in zip(values, COLUMNS, strict=True)
    )
    return "  " + first + " ".join(others)


async def main(options: argparse.Namespace) -> bool:
    """Start a stack in a temporary folder and have its services fail one after another; True when all is well."""
    print(f"  {platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"  {options.rate:g} writes/s, {options.how} for {options.seconds:g} s", flush=True)
    well = True
    with (
        tempfile.TemporaryDirectory(prefix="flowtask-bench-") as folder,
        Stack(Path(folder) / "home", extra_env=AT_FULL_SPEED) as stack,
    ):
        await asyncio.to_thread(stack.up)
        await asyncio.to_thread(stack.seed)
        print(_row(name for name, _ in COLUMNS), flush=True)
        for service in options.service or [service.name for service in FLOWTASK.services]:
            outcome = await outage(
                stack, service, seconds=options.seconds, rate=options.rate, before=BEFORE, hangs=options.how == "stop"
            )
            print(line(outcome), flush=True)
            for problem in outcome.problems[:20]:
                print(f"    {problem}", flush=True)
            well = well and not outcome.problems
    return well


def read_options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench outages", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each service is away")
    parser.add_argument("--rate", type=float, default=20.0, help="writes a second")
    parser.add_argument(
        "--service", nargs="+", choices=[service.name for service in FLOWTASK.services], help="these services only"
    )
    parser.add_argument("--how", choices=["kill", "stop"], default="kill", help="die by SIGKILL, or hang by SIGSTOP")
    options = parser.parse_args()
    if options.how == "stop" and options.seconds <= DEADLINE * 1.5:
        parser.error(f"a service that hangs is noticed after {DEADLINE:g} s: let it hang longer")
    return options


if __name__ == "__main__":
    raise SystemExit(0 if asyncio.run(main(read_options())) else 1)
