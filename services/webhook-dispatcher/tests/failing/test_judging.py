"""Days of failures, by a clock of the test's own over a real database."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from flowtask_contracts.topology import DISPATCHER_JOBS, FLOWTASK
from flowtask_kit.ids import new_id
from flowtask_kit.schedule.scheduler import Scheduler
from flowtask_kit.service.resources import Resources
from flowtask_webhook_dispatcher.database import JobRun
from flowtask_webhook_dispatcher.deliveries.identity import delivery_id
from flowtask_webhook_dispatcher.failing.service import JOB
from flowtask_webhook_dispatcher.jobs import jobs_of
from flowtask_webhook_dispatcher.keyring import KeyRing, new_secret

HOUR = timedelta(hours=1)
RING = KeyRing.parse("test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")
LIMIT = 20
"""Hours, so that owners are told after 10, 15 and 18."""


class Cluster:
    """A service that is there hour after hour, and what was attempted at an endpoint meanwhile."""

    def __init__(self, pool, now):
        self.pool = pool
        self.now = now
        self.scheduler = None

    async def clock(self, _tx):
        return self.now

    async def attempt(self, endpoint, *, well):
        slot = self.now - timedelta(minutes=self.now.minute % 5, seconds=self.now.second)
        await self.pool.execute(
            "INSERT INTO webhooks.attempt_counts VALUES ($1, $2, $3, 0, 1) ON CONFLICT DO NOTHING", endpoint, slot, well
        )

    async def pass_(self, hours, endpoint=None, *, well=False):
        """Hour after hour an attempt at the endpoint, if there is one, and then a look at all of them."""
        for _ in range(hours):
            self.now += HOUR / 2
            if endpoint is not None:
                await self.attempt(endpoint, well=well)
            self.now += HOUR / 2
            await self.scheduler.look(JOB)
            await self.scheduler.idle()

    def away(self, hours):
        self.now += hours * HOUR


@pytest.fixture
async def cluster(settings, pool):
    """It begins two minutes past an hour of days ago."""
    told = settings(webhooks_disable_after_hours=LIMIT)
    resources = Resources.create(FLOWTASK.service("webhook-dispatcher"), told)
    made = Cluster(pool, datetime.now(UTC).replace(minute=2, second=0, microsecond=0) - 6 * timedelta(days=1))
    made.scheduler = Scheduler(resources, JobRun, jobs_of(told), DISPATCHER_JOBS, clock=made.clock, poll=3600)
    yield made
    await resources.direct.close()
    await resources.database.close()


@pytest.fixture
async def endpoint(pool, workspace):
    made = new_id()
    await pool.execute(
        "INSERT INTO webhooks.endpoints (id, workspace_id, url, events, active, secret, created_by, created_at, updated_at,"
        " revision) VALUES ($1, $2, 'http://127.0.0.1:1/', '[\"*\"]', true, $3, $1, now(), now(), 0)",
        made,
        workspace,
        RING.encrypt(made, new_secret()),
    )
    await pool.execute("INSERT INTO webhooks.endpoint_state (endpoint_id) VALUES ($1)", made)
    return made


@pytest.fixture
def told(rows_of):
    """The events that were told, as type and percent."""

    async def read():
        rows = sorted(await rows_of("outbox"), key=lambda row: row["seq"])
        documents = [orjson.loads(row["payload"]) for row in rows]
        return [(document["type"], document["data"]["percent"]) for document in documents]

    return read


@pytest.fixture
def state(pool, endpoint):
    async def read():
        return await pool.fetchrow(
            "SELECT * FROM webhooks.endpoints e JOIN webhooks.endpoint_state s ON s.endpoint_id = e.id WHERE e.id = $1",
            endpoint,
        )

    return read


WARNED = [("webhook.failing", 50), ("webhook.failing", 75), ("webhook.failing", 90)]


async def test_the_owner_is_told_three_times_before_the_webhook_is_disabled(cluster, endpoint, told, state):
    begun = cluster.now
    await cluster.pass_(10, endpoint)
    assert await told() == []
    await cluster.pass_(3, endpoint)
    assert await told() == WARNED[:1]
    await cluster.pass_(6, endpoint)
    assert await told() == WARNED
    assert (await state())["active"]
    revision = (await state())["revision"]
    await cluster.pass_(4, endpoint)
    assert await told() == [*WARNED, ("webhook.disabled", 100)]
    found = await state()
    assert (found["active"], found["disabled_reason"]) == (False, "failing")
    assert found["missed_since"] == found["failing_since"]
    assert begun < found["failing_since"] < begun + HOUR
    assert found["revision"] > revision, "every replica learns of it"
    await cluster.pass_(30)
    assert len(await told()) == 4


async def test_any_success_begins_the_count_anew(cluster, endpoint, told, state):
    await cluster.pass_(9, endpoint)
    await cluster.attempt(endpoint, well=True)
    await cluster.pass_(9, endpoint)
    assert await told() == []
    await cluster.pass_(4, endpoint)
    assert await told() == WARNED[:1]
    assert (await state())["active"]


async def test_hours_in_which_we_were_away_do_not_count(cluster, endpoint, told):
    await cluster.pass_(5, endpoint)
    cluster.away(40)
    await cluster.pass_(5, endpoint)
    assert await told() == []
    await cluster.pass_(3, endpoint)
    assert await told() == WARNED[:1]


async def test_without_attempts_nothing_fails(cluster, endpoint, told, state):
    await cluster.pass_(2, endpoint)
    await cluster.pass_(47)
    assert await told() == []
    await cluster.pass_(6)
    await cluster.pass_(9, endpoint)
    assert await told() == [], "it had rested for two days, and began anew"
    assert (await state())["active"]


async def test_a_success_that_only_the_log_knows_keeps_a_webhook_from_being_disabled(
    cluster, endpoint, told, state, pool, workspace
):
    await cluster.pass_(15, endpoint)
    event = new_id()
    await pool.execute(
        "INSERT INTO webhooks.deliveries (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status,"
        " attempts, last_attempt_at) VALUES ($1, $2, $3, $4, 'task.created', '', 'delivered', 1, $5)",
        event,
        endpoint,
        delivery_id(event, endpoint),
        workspace,
        cluster.now,
    )
    await pool.execute(
        "INSERT INTO webhooks.attempts (event_id, endpoint_id, attempt_no, trigger, at, duration_ms, status_code)"
        " VALUES ($1, $2, 1, 'schedule', $3, 5, 204)",
        event,
        endpoint,
        cluster.now,
    )
    await cluster.pass_(15, endpoint)
    assert (await state())["active"]
    assert "webhook.disabled" not in dict(await told())
