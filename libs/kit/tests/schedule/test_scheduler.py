"""Recurring jobs with real servers; the time is the tests' own, but where JetStream itself is to keep it."""

import asyncio
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from notes.contracts import NOTE_JOBS
from notes.database import JobRun
from notes.jobs import CENTURY, TIDY
from notes.process import NotesProcess
from notes.world import eventually
from prometheus_client import REGISTRY

from flowtask_kit.database.quiet import database_clock
from flowtask_kit.schedule.jobs import Job
from flowtask_kit.schedule.models import MARGIN, WAITS
from flowtask_kit.schedule.runs import KEPT
from flowtask_kit.schedule.scheduler import Scheduler
from flowtask_kit.schedule.when import Cron, Every

NEVER = 3600.0
HOUR = timedelta(hours=1)
BEGIN = datetime(2050, 3, 1, 10, 20, tzinfo=UTC)
"""So far away that no alarm rings of itself."""

SLOT = datetime(2050, 3, 1, 10, tzinfo=UTC)
HOURLY = Every(HOUR)
TAKES = timedelta(minutes=5)


class Clock:
    """The time of all replicas."""

    def __init__(self, now=BEGIN):
        self.now = now

    async def __call__(self, _tx):
        return self.now


class Work:
    """What a job does: notes its slots, waits for `gate`, raises what it is told to."""

    def __init__(self, *errors):
        self.slots = []
        self.errors = list(errors)
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.stopped = 0

    async def __call__(self, _resources, slot):
        self.slots.append(slot)
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def replica(world, clock):
    """Make a replica that looks when it is told to, or when an alarm rings."""
    made = []

    def make(work, *, when=HOURLY, name="tidy", **more):
        resources = world.resources()
        job = Job(name=name, when=when, takes=TAKES, run=work)
        scheduler = Scheduler(resources, JobRun, [job], NOTE_JOBS, **{"clock": clock, "poll": NEVER, **more})
        scheduler.resources = resources
        made.append(scheduler)
        return scheduler

    yield make
    for scheduler in made:
        await scheduler.stop()


@pytest.fixture
def turn():
    """Have replicas look at a job, and wait until what they run has ended."""

    async def look(*replicas, name="tidy"):
        await asyncio.gather(*(each.look(name) for each in replicas))
        await asyncio.gather(*(each.idle() for each in replicas))

    return look


def rows(world, columns="slot, attempts, finished_at IS NOT NULL, last_error"):
    text = world.sql(f"SELECT {columns} FROM notes.job_runs ORDER BY job, slot")  # noqa: S608 - the test's own
    return [tuple(line.split("\t")) for line in text.splitlines()]


async def test_of_two_replicas_one_runs_each_of_twenty_slots(world, replica, clock, turn):
    work = Work()
    replicas = replica(work), replica(work)
    for _ in range(20):
        await turn(*replicas, *replicas)
        clock.now += HOUR
    assert work.slots == [SLOT + number * HOUR for number in range(20)]
    assert {row[1:] for row in rows(world)} == {("1", "True", "None")}


async def test_a_message_reaches_one_replica_and_a_repeat_of_it_runs_nothing(world, replica, clock):
    work = Work()
    replicas = replica(work), replica(work)
    await world.connected(*(each.resources for each in replicas))
    jetstream = (await world.client()).jetstream()
    for number in range(20):
        for _ in range(3):
            await jetstream.publish("jobs.notes.tidy", b"2026-01-01T00:00:00Z")
        await eventually(lambda number=number: len(work.slots) > number)
        await eventually(lambda: _heard_all(jetstream))
        clock.now += HOUR
    assert work.slots == [SLOT + number * HOUR for number in range(20)]


async def _heard_all(jetstream):
    info = await jetstream.consumer_info("SCHEDULES", NOTE_JOBS.name)
    return info.num_pending == info.num_ack_pending == 0


async def test_alarms_ring_for_slot_after_slot_without_anybody_looking(world, replica):
    work = Work()
    database = {"clock": database_clock, "when": Every(timedelta(seconds=1))}
    replicas = replica(work, **database), replica(work, **database)
    await world.connected(*(each.resources for each in replicas))
    await replicas[0].look("tidy")
    await eventually(lambda: len(work.slots) >= 4)
    assert max(Counter(work.slots).values()) == 1
    assert work.slots == sorted(work.slots)


async def test_a_message_that_comes_before_its_slot_comes_again(world, replica, clock):
    work = Work()
    early = replica(work)
    await world.connected(early.resources)
    await early.look("tidy")
    await early.idle()
    slot = SLOT + HOUR
    clock.now = slot - timedelta(milliseconds=200)
    await (await world.client()).jetstream().publish("jobs.notes.tidy", slot.isoformat().encode())

    async def it_waits():
        info = await (await world.client()).jetstream().consumer_info("SCHEDULES", NOTE_JOBS.name)
        return info.num_ack_pending

    await eventually(it_waits)
    clock.now = slot
    await eventually(lambda: work.slots == [SLOT, slot])


async def test_messages_that_nobody_understands_are_put_aside(world, replica):
    work = Work()
    await world.connected(replica(work).resources)
    jetstream = (await world.client()).jetstream()
    for subject, body in (("gone", b""), ("tidy.up", b""), ("tidy", b"\xff"), ("tidy", b"2026-01-01")):
        await jetstream.publish(f"jobs.notes.{subject}", body)
    await eventually(lambda: _heard_all(jetstream))
    await eventually(lambda: work.slots == [SLOT])


async def test_nats_restarted_in_between_has_its_alarms_again(world, replica):
    work = Work()
    here = replica(work, clock=database_clock, when=Every(timedelta(seconds=1)))
    await world.connected(here.resources)
    await here.start()
    await eventually(lambda: len(work.slots) >= 2)
    world.nats.close()
    before = len(work.slots)
    world.nats.start()
    await eventually(lambda: here.resources.bus.connected, 20)
    await eventually(lambda: len(work.slots) >= before + 3, 20)
    assert max(Counter(work.slots).values()) == 1


async def test_a_nats_that_has_lost_its_alarms_is_told_them_again(world, replica):
    here = replica(Work())
    await world.connected(here.resources)
    await here.start()

    async def alarms():
        jetstream = (await world.client()).jetstream()
        return (await jetstream.stream_info("SCHEDULES", subjects_filter="schedules.notes.tidy")).state.subjects

    await eventually(alarms)
    await (await world.client()).jetstream().purge_stream("SCHEDULES")
    await here.look("tidy")
    assert not await alarms()
    world.nats.close()
    world.nats.start()
    await eventually(lambda: here.resources.bus.connected, 20)
    await eventually(alarms, 20)


async def test_while_nats_is_away_slots_are_found_by_looking(replica, clock):
    work = Work()
    replicas = [replica(work, poll=0.02) for _ in range(2)]
    for each in replicas:
        await each.start()
    for number in range(5):
        await eventually(lambda number=number: len(work.slots) == number + 1)
        clock.now += HOUR
    await eventually(lambda: len(work.slots) == 6)
    assert work.slots == [SLOT + number * HOUR for number in range(6)]


async def test_slots_that_passed_while_nobody_was_there_are_made_up_for_once(replica, clock, turn):
    work = Work()
    here = replica(work)
    await turn(here)
    clock.now += 30 * HOUR
    await turn(here)
    await turn(here)
    assert work.slots == [SLOT, SLOT + 30 * HOUR]


async def test_a_run_that_was_stopped_is_taken_over_at_once(world, replica, turn):
    work = Work()
    work.gate.clear()
    one, other = replica(work), replica(work)
    await one.look("tidy")
    await work.begun.wait()
    await turn(other)
    assert len(work.slots) == 1
    await one.stop()
    assert work.stopped == 1
    work.gate.set()
    await turn(other)
    assert work.slots == [SLOT, SLOT]
    assert rows(world) == [(str(SLOT), "1", "True", "None")]


async def test_a_process_killed_in_the_middle_of_a_run_is_made_up_for_by_another(world, replica, clock, turn):
    for point in ("jobs.after-claim", "jobs.before-settle"):
        world.sql("TRUNCATE notes.job_runs, notes.notes")
        with NotesProcess(world.postgres, world.nats, module="notes.jobs", FLOWTASK_CRASHPOINTS=point) as killed:
            await eventually(lambda killed=killed: not killed.running, 30)
        assert killed.returncode == -signal.SIGKILL
        work = Work()
        other = replica(work, when=CENTURY)
        lease = datetime.fromisoformat(rows(world, "lease_until")[0][0])
        clock.now = lease - timedelta(milliseconds=1)
        await turn(other)
        assert work.slots == []
        clock.now = lease
        await turn(other)
        assert len(work.slots) == 1
        assert rows(world, "claim_no, attempts, finished_at IS NOT NULL") == [("2", "1", "True")]
        assert world.count("notes") == (point == "jobs.before-settle")


async def test_what_ends_after_its_claim_was_lost_does_not_count(world, replica, clock, turn):
    late, work = Work(LookupError()), Work()
    late.gate.clear()
    work.gate.clear()
    one, other = replica(late), replica(work)
    await one.look("tidy")
    await late.begun.wait()
    clock.now += TAKES + MARGIN
    await other.look("tidy")
    await work.begun.wait()
    late.gate.set()
    await one.idle()
    assert rows(world) == [(str(SLOT), "0", "False", "None")]
    work.gate.set()
    await turn(other)
    assert rows(world) == [(str(SLOT), "1", "True", "None")]
    assert late.slots == work.slots == [SLOT]


async def test_a_failed_run_is_tried_again_after_waits_that_grow(world, replica, clock, turn):
    work = Work(*(LookupError("hunter2") for _ in range(4)))
    here = replica(work, when=Every(timedelta(days=1)))
    await turn(here)
    for number, wait in enumerate(WAITS[:4], start=1):
        day = datetime(2050, 3, 1, tzinfo=UTC)
        assert rows(world) == [(str(day), str(number), "False", "LookupError")]
        clock.now += wait - timedelta(milliseconds=1)
        await turn(here)
        assert len(work.slots) == number
        clock.now += timedelta(milliseconds=1)
        await turn(here)
    assert rows(world) == [(str(day), "5", "True", "None")]
    assert list(WAITS) == sorted(WAITS)
    assert "hunter2" not in world.sql("SELECT * FROM notes.job_runs")


async def test_a_new_slot_takes_the_place_of_one_that_failed(world, replica, clock, turn):
    work = Work(LookupError())
    here = replica(work)
    await turn(here)
    clock.now += HOUR
    await turn(here)
    clock.now += timedelta(minutes=1)
    await turn(here)
    assert work.slots == [SLOT, SLOT + HOUR]
    assert [row[1:] for row in rows(world)] == [("1", "False", "LookupError"), ("1", "True", "None")]


async def test_a_new_slot_waits_for_the_end_of_the_one_before(replica, clock, turn):
    work = Work()
    work.gate.clear()
    one, other = (replica(work, when=Every(timedelta(minutes=1))) for _ in range(2))
    await one.start()
    await work.begun.wait()
    clock.now += timedelta(minutes=2)
    await turn(other)
    assert len(work.slots) == 1
    work.gate.set()
    await eventually(lambda: len(work.slots) == 2)
    assert work.slots[1] - work.slots[0] == timedelta(minutes=2)


async def test_what_takes_too_long_is_cancelled_and_has_failed(world, clock):
    work = Work()
    work.gate.clear()
    resources = world.resources()
    job = Job(name="tidy", when=Every(HOUR), takes=timedelta(seconds=0.05), run=work)
    here = Scheduler(resources, JobRun, [job], NOTE_JOBS, clock=clock, poll=NEVER)
    await here.look("tidy")
    await here.idle()
    assert work.stopped == 1
    assert rows(world) == [(str(SLOT), "1", "False", "TimeoutError")]


async def test_an_end_that_meets_an_outage_is_written_down_after_it(mortal_world, clock):
    work = Work()
    work.gate.clear()
    here = Scheduler(
        mortal_world.resources(),
        JobRun,
        [Job(name="tidy", when=Every(HOUR), takes=TAKES, run=work)],
        NOTE_JOBS,
        clock=clock,
        poll=NEVER,
    )
    await here.look("tidy")
    await work.begun.wait()
    await asyncio.to_thread(mortal_world.postgres.close)
    work.gate.set()
    await asyncio.to_thread(mortal_world.postgres.start)
    await here.idle()
    assert rows(mortal_world) == [(str(SLOT), "1", "True", "None")]


async def test_what_a_clock_that_was_wrong_has_run_of_the_future_holds_nothing_up(replica, clock, turn):
    work = Work()
    here = replica(work)
    clock.now += timedelta(days=365)
    await turn(here)
    clock.now = BEGIN
    await turn(here)
    assert work.slots[1:] == [SLOT]


async def test_old_slots_are_forgotten_but_not_the_last_success(world, replica, clock, turn):
    work = Work()
    here = replica(work, when=Cron("0 3 * * *"))
    old = replica(Work(), name="gone")
    await turn(old, name="gone")
    for _ in range(20):
        await turn(here)
        clock.now += timedelta(days=1)
    assert len(work.slots) == 20
    jobs = Counter(row[0] for row in rows(world, "job"))
    assert jobs == {"tidy": KEPT.days + 1}
    work.errors = [LookupError()] * 30
    for _ in range(30):
        await turn(here)
        clock.now += timedelta(days=1)
    assert ("True",) in rows(world, "finished_at IS NOT NULL")


async def test_metrics_tell_runs_by_outcome_and_the_time_since_the_last_success(replica, clock, turn):
    def value(name, **labels):
        return REGISTRY.get_sample_value(name, {"job": "measured", **labels})

    work = Work(LookupError())
    here = replica(work, name="measured")
    await turn(here, name="measured")
    assert value("flowtask_job_runs_total", outcome="failed") == 1
    assert value("flowtask_job_seconds_since_success") == pytest.approx(20 * 60, abs=5)
    clock.now += WAITS[0]
    await turn(here, name="measured")
    clock.now += timedelta(minutes=7)
    await turn(here, name="measured")
    assert value("flowtask_job_runs_total", outcome="done") == 1
    assert value("flowtask_job_seconds_since_success") == pytest.approx(7 * 60, abs=5)


async def test_two_jobs_of_one_name_are_refused(world):
    with pytest.raises(ValueError, match="share a name"):
        Scheduler(world.resources(), JobRun, [TIDY, TIDY], NOTE_JOBS)
