"""Claiming slots and settling what became of them; each function is one step of one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.database.quiet import database_clock
from flowtask_kit.schedule import queries
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.models import JobRun

Clock = Callable[[AsyncSession], Awaitable[datetime]]
"""Tells the time within a transaction. The database's is one for the whole cluster, so replicas' clocks do not matter."""

KEPT = timedelta(days=14)
"""How long slots are remembered; a job's last success is, however old it is."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a slot once, and to say what became of it."""

    job: str
    slot: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a job found: the time, a slot that is now ours to run, and the last success, else the first slot."""

    now: datetime
    claim: Claim | None
    success: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A job as operators see it."""

    job: Job
    newest: JobRun | None
    succeeded_at: datetime | None
    now: datetime

    @property
    def next_at(self) -> datetime:
        """When it is run next, if nobody is late: the retry of what has failed, or the next slot."""
        following = self.job.when.after(self.now)
        if self.newest is not None and self.newest.finished_at is None:
            return min(following, max(self.now, self.newest.due_at, self.newest.lease_until))
        return following


async def look(tx: AsyncSession, records: type[JobRun], job: Job, clock: Clock = database_clock) -> Looked:
    """Claim the job's current slot if it is to be run now.

    Slots that passed while nobody was there are not made up for one by one: only the latest is. A new slot waits for the
    end of a run that is under way, and takes the place of one that failed.
    """
    await tx.execute(queries.one_at_a_time(job.name))
    now = await clock(tx)
    slot, newest = job.when.latest(now), await tx.scalar(queries.newest(records, job.name, now))
    claim = None
    if newest is None or (newest.slot < slot and not newest.under_way(now)):
        claim = _claim(tx, records.of(job.name, slot, now), job, now)
    elif newest.due(now):
        claim = _claim(tx, newest, job, now)
    return Looked(now, claim, await _success(tx, records, job, slot))


async def claim_by_hand(
    tx: AsyncSession, records: type[JobRun], job: Job, clock: Clock = database_clock
) -> Claim | None:
    """Claim a slot of its own, now; None while a run of this job is under way."""
    await tx.execute(queries.one_at_a_time(job.name))
    now = await clock(tx)
    newest = await tx.scalar(queries.newest(records, job.name, now))
    if newest is not None and newest.under_way(now):
        return None
    return _claim(tx, records.of(job.name, now, now), job, now)


async def settle(
    tx: AsyncSession,
    records: type[JobRun],
    claim: Claim,
    error: str | None,
    *,
    known: Sequence[str],
    clock: Clock = database_clock,
) -> bool:
    """Note how a run has ended; after a success old slots are forgotten. False if the claim was lost meanwhile."""
    row = await tx.scalar(queries.claimed(records, claim.job, claim.slot, claim.number))
    if row is None:
        return False
    now = await clock(tx)
    if error is not None:
        row.fail(error, now)
    else:
        row.succeed(now)
        await tx.execute(
            queries.forget(records, claim.job, known, min(claim.slot, now) - KEPT),
            execution_options={"synchronize_session": False},
        )
    return True


async def give_back(tx: AsyncSession, records: type[JobRun], claim: Claim, clock: Clock = database_clock) -> None:
    """Leave a slot to whoever looks next: its run was stopped, and that is no failure."""
    row = await tx.scalar(queries.claimed(records, claim.job, claim.slot, claim.number))
    if row is not None:
        row.give_back(await clock(tx))


async def standing(tx: AsyncSession, records: type[JobRun], job: Job, clock: Clock = database_clock) -> Standing:
    """How a job stands now."""
    now = await clock(tx)
    newest = await tx.scalar(queries.newest(records, job.name, now))
    return Standing(job, newest, await tx.scalar(queries.last_success(records, job.name)), now)


def _claim(tx: AsyncSession, row: JobRun, job: Job, now: datetime) -> Claim:
    tx.add(row)
    return Claim(job.name, row.slot, row.claim(now, job.takes))


async def _success(tx: AsyncSession, records: type[JobRun], job: Job, slot: datetime) -> datetime:
    last = await tx.scalar(queries.last_success(records, job.name))
    return last or await tx.scalar(queries.first_slot(records, job.name)) or slot
