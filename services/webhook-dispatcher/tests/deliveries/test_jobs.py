"""The recurring work of the history as it runs in the service."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from flowtask_contracts.topology import DISPATCHER_JOBS, FLOWTASK
from flowtask_kit.schedule.scheduler import Scheduler
from flowtask_kit.service.resources import Resources
from flowtask_webhook_dispatcher.database import JobRun
from flowtask_webhook_dispatcher.deliveries.identity import first_id_of
from flowtask_webhook_dispatcher.deliveries.jobs import history_jobs
from flowtask_webhook_dispatcher.deliveries.partitions import TABLES
from flowtask_webhook_dispatcher.deliveries.sizes import measure

PROGRAM = Path(sys.executable).with_name("flowtask-webhook-dispatcher")
ROWS = 400


class Clock:
    def __init__(self, day):
        self.now = datetime.combine(day, time(0, 30), UTC)

    async def __call__(self, _tx):
        return self.now


@pytest.fixture
def clock(today):
    return Clock(today)


@pytest.fixture
async def history(settings, clock):
    """The jobs of one replica; `turn` runs what is due of them."""
    made = []

    def make(**changed):
        told = settings(**changed)
        resources = Resources.create(FLOWTASK.service("webhook-dispatcher"), told)
        scheduler = Scheduler(resources, JobRun, history_jobs(told), DISPATCHER_JOBS, clock=clock, poll=3600)
        made.append(resources)

        async def turn():
            for name in ("partitions", "retention"):
                await scheduler.look(name)
            await scheduler.idle()

        scheduler.turn, scheduler.resources = turn, resources
        return scheduler

    yield make
    for resources in made:
        await resources.direct.close()
        await resources.database.close()


@pytest.fixture
def traffic(pool):
    """A day's events, each delivered at the first attempt."""

    async def make(day):
        first = first_id_of(datetime.combine(day, time(12), UTC))
        await pool.execute(
            "WITH event AS MATERIALIZED ("
            "  SELECT ($1::text || lpad(to_hex(n), 12, '0'))::uuid AS id FROM generate_series(1, $2::int) n),"
            " message AS (INSERT INTO webhooks.messages"
            "  (event_id, workspace_id, type, resource_id, stream_seq, payload)"
            "  SELECT id, id, 'task.created', 'x', 1, convert_to(repeat(id::text, 20), 'UTF8') FROM event),"
            " delivery AS (INSERT INTO webhooks.deliveries"
            "  (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status, attempts)"
            "  SELECT id, id, id, id, 'task.created', 'x', 'delivered', 1 FROM event)"
            " INSERT INTO webhooks.attempts"
            "  (event_id, endpoint_id, attempt_no, trigger, at, duration_ms, status_code, response_body)"
            "  SELECT id, id, 1, 'schedule', now(), 5, 200, repeat(id::text, 5) FROM event",
            str(first)[:14] + "7000-8000-",
            ROWS,
        )

    return make


@pytest.fixture
def dated(partitions):
    """How many days of a table there are."""

    async def count(table):
        return len([name for name in await partitions() if name.startswith(f"{table}_p")])

    return count


async def test_a_month_and_more_of_traffic_keeps_the_tables_flat(history, traffic, clock, today, dated, sql):
    here = history(webhooks_keep_days=30, webhooks_keep_attempts_days=7)
    seen = []
    for offset in range(45):
        clock.now = datetime.combine(today + timedelta(days=offset), time(0, 30), UTC)
        await here.turn()
        await traffic(clock.now.date())
        days = {table: await dated(table) for table in TABLES}
        seen.append((days, await measure(here.resources.direct)))
    full = {"messages": 38, "deliveries": 38, "attempts": 15}
    for days, sizes in seen[32:]:
        assert days == full
        assert {table: sizes[table] / seen[32][1][table] for table in TABLES} == pytest.approx(
            dict.fromkeys(TABLES, 1.0), abs=0.02
        )
    assert seen[32][1]["messages"] > 5 * seen[0][1]["messages"]
    rows = await sql(
        "SELECT (SELECT count(*) FROM webhooks.messages) m, (SELECT count(*) FROM webhooks.deliveries) d,"
        " (SELECT count(*) FROM webhooks.attempts) a, (SELECT count(*) FROM webhooks.messages_default) stray"
    )
    assert tuple(rows[0]) == (31 * ROWS, 31 * ROWS, 8 * ROWS, 0)
    runs = await sql(
        "SELECT count(*) AS runs, count(finished_at) AS done FROM webhooks.job_runs WHERE job = 'retention'"
    )
    assert runs[0]["runs"] == runs[0]["done"] == 15


async def test_after_a_month_away_one_look_makes_up_for_it(history, clock, today, dated, where, insert):
    here = history()
    await here.turn()
    event, _ = await insert(today)
    clock.now += timedelta(days=33)
    late, _ = await insert(clock.now.date())
    assert (await where(late))[0] == "messages_default"
    await here.turn()
    assert await where(event) == []
    assert (await where(late))[0] == f"messages_p{clock.now:%Y%m%d}"
    assert await dated("messages") <= 38


async def test_two_replicas_do_it_once(history, sql, clock):
    one, other = history(), history()
    await asyncio.gather(one.turn(), other.turn())
    runs = await sql("SELECT job, slot, claim_no, attempts FROM webhooks.job_runs ORDER BY job")
    assert [tuple(row) for row in runs] == [
        ("partitions", clock.now.replace(minute=0), 1, 1),
        ("retention", clock.now.replace(minute=20), 1, 1),
    ]


async def test_the_service_runs_its_jobs_and_tells_the_size_of_its_history(serve, until, sql):
    await serve()
    done = "SELECT job FROM webhooks.job_runs WHERE finished_at IS NOT NULL ORDER BY job"
    await until(lambda: _names(sql, done))
    for table in TABLES:
        await until(
            lambda table=table: REGISTRY.get_sample_value("flowtask_webhook_history_bytes", {"table": table}),
        )
    assert REGISTRY.get_sample_value("flowtask_job_seconds_since_success", {"job": "retention"}) is not None


async def _names(sql, statement):
    return [row["job"] for row in await sql(statement)] == [
        "attempt-counts",
        "ended-secrets",
        "expired-deliveries",
        "failing-webhooks",
        "partitions",
        "retention",
        "unpolled-deliveries",
    ]


def test_operators_list_the_jobs_and_run_one(settings):
    told = settings()
    env = {
        "PATH": os.environ["PATH"],
        "FLOWTASK_DATABASE_URL": told.database_url.get_secret_value(),
        "FLOWTASK_NATS_URL": told.nats_url.get_secret_value(),
        "FLOWTASK_WEBHOOKS_SECRET_KEYS": told.webhooks_secret_keys.get_secret_value(),
    }

    def call(*arguments):
        return subprocess.run([PROGRAM, *arguments], env=env, capture_output=True, text=True, check=False)

    assert "never run" in call("jobs").stdout
    assert call("run-job", "retention").stdout == "retention: done\n"
    lines = call("jobs").stdout.splitlines()
    of_history = ["partitions", "retention", "expired-deliveries"]
    names = [*of_history, "attempt-counts", "ended-secrets", "unpolled-deliveries", "failing-webhooks"]
    assert [line.split()[0] for line in lines] == ["JOB", *names]
    assert "20 0 * * *" in lines[2]
    assert "done" in lines[2]
