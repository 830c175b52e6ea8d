"""`jobs` and `run-job NAME` of every service that has recurring jobs."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from flowtask_contracts.topology import Service
from flowtask_kit import logs
from flowtask_kit.database.transaction import transaction
from flowtask_kit.schedule import runs
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.models import JobRun
from flowtask_kit.schedule.running import Runner
from flowtask_kit.schedule.runs import Standing
from flowtask_kit.service.cli import outage_ends_the_process
from flowtask_kit.service.resources import Resources
from flowtask_kit.settings import ServiceSettings

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse names it nowhere else

BUS_SECONDS = 2.0
"""How long a run by hand waits for NATS, which most jobs can do without."""


def add_commands(commands: "SubParsers") -> None:
    """Add both to a service's command line."""
    commands.add_parser("jobs", help="list the recurring jobs with their last and next run")
    run_job = commands.add_parser("run-job", help="run a recurring job now, here, unless it is being run")
    run_job.add_argument("name")


def run_command(
    arguments: argparse.Namespace,
    settings: ServiceSettings,
    service: Service,
    records: type[JobRun],
    jobs: Sequence[Job],
) -> bool:
    """Carry out `jobs` or `run-job`; False for every other command.

    Ends the process with 2 for a job that there is none of, with 1 for one that is being run, fails, or whose database
    cannot be reached.
    """
    if arguments.command not in {"jobs", "run-job"}:
        return False
    logs.configure(service.name, "error")
    with outage_ends_the_process():
        if arguments.command == "jobs":
            sys.stdout.write(asyncio.run(_list(Resources.create(service, settings), records, jobs)))
            return True
        chosen = [job for job in jobs if job.name == arguments.name]
        if not chosen:
            sys.stderr.write(f"There is no job {arguments.name!r}; there are: {', '.join(job.name for job in jobs)}\n")
            raise SystemExit(2)
        problem = asyncio.run(_run(Resources.create(service, settings), records, chosen[0], jobs))
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
        raise SystemExit(1)
    sys.stdout.write(f"{chosen[0].name}: done\n")
    return True


async def _list(resources: Resources, records: type[JobRun], jobs: Sequence[Job]) -> str:
    try:
        async with transaction(resources.database, resources.wake) as tx:
            standings = [await runs.standing(tx, records, job) for job in jobs]
    finally:
        await resources.database.close()
    rows = [("JOB", "WHEN", "LAST RUN", "OUTCOME", "LAST SUCCESS", "NEXT RUN"), *(_row(each) for each in standings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _row(standing: Standing) -> tuple[str, ...]:
    job, newest = standing.job, standing.newest
    begun = newest.begun_at if newest is not None else None
    return (
        job.name,
        str(job.when),
        _time(begun),
        _outcome(standing),
        _time(standing.succeeded_at),
        _time(standing.next_at),
    )


def _outcome(standing: Standing) -> str:
    newest = standing.newest
    if newest is None:
        return "never run"
    if newest.under_way(standing.now):
        return "under way"
    if newest.finished_at is not None:
        return "done"
    if newest.last_error is not None:
        return f"failed {newest.attempts} times: {newest.last_error}"
    return "broken off"


def _time(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


async def _run(resources: Resources, records: type[JobRun], job: Job, jobs: Sequence[Job]) -> str | None:
    """What kept the job from being done, if anything did."""
    resources.bus.start()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(BUS_SECONDS):
                await resources.bus.ready.wait()
        async with transaction(resources.database, resources.wake) as tx:
            claim = await runs.claim_by_hand(tx, records, job)
        if claim is None:
            return f"{job.name} is being run; `jobs` tells since when"
        error = await Runner(resources, records, [each.name for each in jobs]).run(job, claim)
        return None if error is None else f"{job.name} failed: {error}; it is tried again by itself"
    finally:
        await resources.bus.stop()
        await resources.direct.close()
        await resources.database.close()
