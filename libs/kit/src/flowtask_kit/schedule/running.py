"""Running a slot that was claimed, and writing down how it ended."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from flowtask_kit import logs, metrics, traces
from flowtask_kit.cancelling import end
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.quiet import database_clock
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outages import is_outage
from flowtask_kit.schedule import runs
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.models import MARGIN, JobRun
from flowtask_kit.schedule.runs import Claim, Clock
from flowtask_kit.service.resources import Resources

log = logs.get(__name__)

AGAIN_SECONDS = 0.5
"""Between two tries to write an end down."""

GIVE_BACK_SECONDS = 2.0


@dataclass(frozen=True)
class Runner:
    """Runs claimed slots; `known` are the names of all jobs of the service."""

    resources: Resources
    records: type[JobRun]
    known: Sequence[str]
    clock: Clock = database_clock

    async def run(self, job: Job, claim: Claim) -> str | None:
        """Run a slot and settle it: the class of the error it failed with, or None.

        When it is cancelled the slot is given back at once, for another replica to run.
        """
        crashpoint("jobs.after-claim")
        try:
            error = await self._attempt(job, claim)
        except asyncio.CancelledError:
            giving = asyncio.create_task(self.give_back(claim))
            done, _ = await asyncio.wait([giving], timeout=GIVE_BACK_SECONDS)
            if not done:
                await end(giving, again_after=GIVE_BACK_SECONDS)
            raise
        crashpoint("jobs.before-settle")
        await self._settle(claim, error)
        return error

    async def give_back(self, claim: Claim) -> None:
        """Leave the slot to another replica."""
        try:
            async with transaction(self.resources.database, self.resources.wake) as tx:
                await runs.give_back(tx, self.records, claim, self.clock)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("slot not given back; its lease ends by itself", job=claim.job, error=repr(error))

    async def _attempt(self, job: Job, claim: Claim) -> str | None:
        with traces.tracer().start_as_current_span(f"job {job.name}"):
            try:
                async with asyncio.timeout(job.takes.total_seconds()):
                    await job.run(self.resources, claim.slot)
            except Exception as error:
                if is_outage(error):
                    log.warning("job failed", job=job.name, slot=str(claim.slot), error=repr(error))
                else:
                    log.exception("job failed", job=job.name, slot=str(claim.slot))
                return type(error).__name__
        return None

    async def _settle(self, claim: Claim, error: str | None) -> None:
        """Write it down for as long as the lease lasts; what is not written down is run again."""
        try:
            async with asyncio.timeout(MARGIN.total_seconds()):
                settled = await self._settled(claim, error)
        except TimeoutError:
            log.warning("end of a job not on record; it will be run again", job=claim.job, slot=str(claim.slot))
            settled = False
        outcome = "lost" if not settled else "done" if error is None else "failed"
        metrics.JOB_RUNS.labels(claim.job, outcome).inc()

    async def _settled(self, claim: Claim, error: str | None) -> bool:
        while True:
            try:
                async with transaction(self.resources.database, self.resources.wake) as tx:
                    return await runs.settle(tx, self.records, claim, error, known=self.known, clock=self.clock)
            except Exception as outage:
                if not is_outage(outage):
                    raise
                await asyncio.sleep(AGAIN_SECONDS)
