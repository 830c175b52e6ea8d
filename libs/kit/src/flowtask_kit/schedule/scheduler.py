"""Recurring jobs of one service: the tables say what is to be run, JetStream's schedules wake somebody up for it.

One schedule per job, `@at` its next slot, whose message reaches one replica; every replica also looks by itself from
time to time, so that slots are run while NATS is away.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import nats.errors
from faststream import AckPolicy
from faststream.nats import JStream, NatsMessage, PullSub

from flowtask_contracts.topology import Durable
from flowtask_kit import logs, metrics
from flowtask_kit.bus.answers import undecoded
from flowtask_kit.bus.connection import inbox_prefix
from flowtask_kit.cancelling import end
from flowtask_kit.database.quiet import database_clock
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outages import is_outage
from flowtask_kit.schedule import runs
from flowtask_kit.schedule.alarms import Alarms, slot_of
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.models import JobRun
from flowtask_kit.schedule.running import GIVE_BACK_SECONDS, Runner
from flowtask_kit.schedule.runs import Claim, Clock
from flowtask_kit.service.resources import Resources
from flowtask_kit.service.worker import Worker

log = logs.get(__name__)

POLL_SECONDS = 15.0
AGAIN = timedelta(seconds=1)
SOON = timedelta(milliseconds=20)
"""Added to the wait for a slot whose message came early, for NATS and PostgreSQL have clocks of their own."""


class Scheduler:
    """Runs a service's jobs on the durable that bootstrap has made for them; start and stop it with the service.

    Raises ValueError when two jobs share a name.
    """

    def __init__(
        self,
        resources: Resources,
        records: type[JobRun],
        jobs: Sequence[Job],
        durable: Durable,
        *,
        clock: Clock = database_clock,
        poll: float = POLL_SECONDS,
    ) -> None:
        self._jobs = {job.name: job for job in jobs}
        if len(self._jobs) < len(jobs):
            raise ValueError(f"two jobs share a name: {[job.name for job in jobs]}")
        self._resources = resources
        self._records = records
        self._clock = clock
        self._runner = Runner(resources, records, list(self._jobs), clock)
        self._worker = Worker("jobs", self._look_at_all, poll=poll)
        self._running: set[asyncio.Task[None]] = set()
        self._alarms = Alarms(resources.bus, resources.service.name)
        self._stopping = False
        self._hear(durable)

    async def start(self) -> None:
        """Begin to look for what is to be run."""
        self._resources.bus.on_reconnect(self._set_alarms_anew)
        self._resources.background.start(self._worker.name, self._worker.run)

    async def stop(self) -> None:
        """Stop what is being run: its slots go back, and another replica runs them."""
        self._stopping = True
        await asyncio.gather(*(end(task, again_after=2 * GIVE_BACK_SECONDS) for task in tuple(self._running)))

    def wake(self) -> None:
        """Look now."""
        self._worker.wake()

    async def look(self, name: str) -> datetime:
        """Claim what is to be run of a job and begin with it; the time of the look, by the clock of all replicas."""
        job = self._jobs[name]
        async with transaction(self._resources.database, self._resources.wake) as tx:
            found = await runs.look(tx, self._records, job, self._clock)
        if found.claim is not None and self._stopping:
            await self._runner.give_back(found.claim)
        elif found.claim is not None:
            self._begin(job, found.claim)
        _note_success(name, (found.now - found.success).total_seconds())
        await self._alarms.set(name, job.when.after(found.now))
        return found.now

    async def idle(self) -> None:
        """Wait for the end of what is being run here now."""
        while self._running:
            await asyncio.wait(self._running)

    async def _look_at_all(self) -> bool:
        for name in self._jobs:
            if not self._stopping:
                await self.look(name)
        return False

    def _begin(self, job: Job, claim: Claim) -> None:
        task = asyncio.create_task(self._run(job, claim), name=f"job {job.name}")
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def _run(self, job: Job, claim: Claim) -> None:
        await self._runner.run(job, claim)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._worker.wake()  # its next slot may have begun meanwhile
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("end of a job not on record", job=task.get_name(), exc_info=error)

    def _hear(self, durable: Durable) -> None:
        async def hear(message: NatsMessage) -> None:
            await self._heard(message)

        hear.__name__ = durable.name.replace("-", "_")
        self._resources.bus.broker.subscriber(
            durable.filters[0],
            durable=durable.name,
            stream=JStream(durable.stream, declare=False),
            pull_sub=PullSub(batch_size=1, timeout=2.0),
            inbox_prefix=f"{inbox_prefix(durable.service)}.".encode(),
            ack_policy=AckPolicy.MANUAL,
            decoder=undecoded,
            title=durable.name,
            description="A slot of a recurring job has begun.",
        )(hear)

    async def _heard(self, message: NatsMessage) -> None:
        """Somebody is to look at a job. The message is answered once the slot is claimed; then the lease holds it."""
        name = message.raw_message.subject.rpartition(".")[2]
        try:
            wait = await self._wait_of(message, name)
        except Exception as error:
            if is_outage(error):
                log.warning("slot waits for an outage to end", job=name, error=repr(error))
            else:
                log.exception("slot not looked at", job=name)
            wait = AGAIN
        try:
            await (message.nack(delay=wait.total_seconds()) if wait else message.ack())
        except nats.errors.Error as error:
            log.debug("message of a job not answered", job=name, error=repr(error))

    async def _wait_of(self, message: NatsMessage, name: str) -> timedelta:
        """Look at the job; how long its message is to wait because its slot has not begun, or nothing."""
        if self._stopping:
            return AGAIN
        if name not in self._jobs:  # of another version of this service
            return timedelta(0)
        now = await self.look(name)
        early = slot_of(message.body, now) - now
        return min(early + SOON, timedelta(seconds=POLL_SECONDS)) if early > timedelta(0) else timedelta(0)

    def _set_alarms_anew(self) -> None:
        self._alarms.forget()
        self._worker.wake()


def _note_success(job: str, seconds: float) -> None:
    """Have the metric count on from there, also while the database cannot be asked."""
    at = time.monotonic() - seconds
    metrics.JOB_SINCE_SUCCESS.labels(job).set_function(lambda: time.monotonic() - at)
