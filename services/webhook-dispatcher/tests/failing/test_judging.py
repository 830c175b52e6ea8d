"""Days of failures, by a clock of the test's own over a real database."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from flowtask_contracts.commands import UpdateEndpoint
from flowtask_contracts.topology import DISPATCHER_JOBS, FLOWTASK
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import new_id, utc_now
from flowtask_kit.schedule.scheduler import Scheduler
from flowtask_kit.service.resources import Resources
from flowtask_webhook_dispatcher.database import JobRun
from flowtask_webhook_dispatcher.deliveries.identity import delivery_id
from flowtask_webhook_dispatcher.endpoints.models import TOLD
from flowtask_webhook_dispatcher.endpoints.service import EndpointRules, change
from flowtask_webhook_dispatcher.failing import service
from flowtask_webhook_dispatcher.failing.queries import last_arrival
from flowtask_webhook_dispatcher.failing.service import JOB
from flowtask_webhook_dispatcher.jobs import jobs_of
from flowtask_webhook_dispatcher.keyring import KeyRing, new_secret

HOUR = timedelta(hours=1)
RING = KeyRing.parse("test:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")
LIMIT = 20
"""Hours, so that owners are told after 10, 15 and 18."""


class Cluster:
    """A service that is there hour after hour, and what was attempted at an endpoint meanwhile."""

    def __init__(self, pool, settings, resources, now):
        self.pool = pool
        self.settings = settings
        self.resources = resources
        self.now = now
        self.scheduler = None

    def transaction(self):
        return transaction(self.resources.database, self.resources.wake)

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
    made = Cluster(
        pool, told, resources, datetime.now(UTC).replace(minute=2, second=0, microsecond=0) - 6 * timedelta(days=1)
    )
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


@pytest.fixture
def log_success(pool, endpoint, workspace):
    """Put a success on record of which no count knows, for its process was killed."""

    async def insert(at):
        event = new_id()
        await pool.execute(
            "INSERT INTO webhooks.deliveries (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status,"
            " attempts, last_attempt_at) VALUES ($1, $2, $3, $4, 'task.created', '', 'delivered', 1, $5)",
            event,
            endpoint,
            delivery_id(event, endpoint),
            workspace,
            at,
        )
        await pool.execute(
            "INSERT INTO webhooks.attempts (event_id, endpoint_id, attempt_no, trigger, at, duration_ms, status_code)"
            " VALUES ($1, $2, 1, 'schedule', $3, 5, 204)",
            event,
            endpoint,
            at,
        )

    return insert


RECOVERED, DISABLED = ("webhook.recovered", 0), ("webhook.disabled", 100)


async def test_a_success_that_only_the_log_knows_begins_the_count_anew(cluster, endpoint, told, state, log_success):
    await cluster.pass_(15, endpoint)
    arrived = cluster.now
    await log_success(arrived)
    await cluster.pass_(8, endpoint)
    found = await state()
    assert (found["active"], found["failing_since"], found["warned"]) == (True, arrived, 0)
    assert await told() == [*WARNED, RECOVERED]
    await cluster.pass_(9, endpoint)
    assert await told() == [*WARNED, RECOVERED, *WARNED[:2]]
    await cluster.pass_(5, endpoint)
    assert await told() == [*WARNED, RECOVERED, *WARNED, DISABLED]
    found = await state()
    assert (found["active"], found["missed_since"]) == (False, arrived)


@pytest.mark.parametrize("lost", [True, False])
async def test_what_was_given_up_while_nothing_arrived_is_offered_when_it_works_again(
    cluster, endpoint, told, state, pool, log_success, lost
):
    await cluster.pass_(19, endpoint)
    failing_since = (await state())["failing_since"]
    if lost:
        await log_success(cluster.now)
        await pool.execute("UPDATE webhooks.deliveries SET status = 'failed'")
        await pool.execute("UPDATE webhooks.attempts SET status_code = 503")
    await cluster.attempt(endpoint, well=False)
    await cluster.pass_(1, endpoint)
    await log_success(cluster.now)
    await cluster.pass_(1)
    assert await told() == [*WARNED, RECOVERED]
    assert (await state())["missed_since"] == (failing_since if lost else None)


async def test_after_a_success_that_is_as_old_as_a_webhook_may_fail_it_is_disabled(
    cluster, endpoint, told, state, pool, log_success
):
    await cluster.pass_(2, endpoint)
    arrived = cluster.now
    await log_success(arrived)
    await cluster.pass_(16, endpoint)
    await pool.execute("UPDATE webhooks.endpoints SET active = false")  # so that nobody looks at it for a while
    await cluster.pass_(10, endpoint)
    await pool.execute("UPDATE webhooks.endpoints SET active = true")
    await cluster.pass_(1, endpoint)
    assert await told() == [*WARNED[:2], DISABLED]
    assert (await state())["failing_since"] == arrived


async def test_after_its_last_failure_a_success_leaves_nothing_failing(cluster, endpoint, told, state, log_success):
    await cluster.pass_(19, endpoint)
    await cluster.attempt(endpoint, well=False)
    await cluster.pass_(1, endpoint)
    await log_success(cluster.now)
    await cluster.pass_(1)
    assert (await state())["failed_at"] is None
    assert await told() == [*WARNED, RECOVERED]
    await cluster.pass_(8, endpoint)
    assert await told() == [*WARNED, RECOVERED]


@pytest.fixture
def another(pool, endpoint):
    """A copy of the endpoint as it is now."""

    async def make():
        copy = new_id()
        for table, key in (("endpoints", "id"), ("endpoint_state", "endpoint_id"), ("attempt_counts", "endpoint_id")):
            columns = await pool.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
                " AND attname <> $2",
                f"webhooks.{table}",
                key,
            )
            others = ", ".join(row["attname"] for row in columns)
            await pool.execute(
                f"INSERT INTO webhooks.{table} ({key}, {others}) SELECT $1, {others} FROM webhooks.{table} WHERE {key} = $2",  # noqa: S608
                copy,
                endpoint,
            )
        return copy

    return make


async def test_an_endpoint_that_cannot_be_looked_at_keeps_no_other_from_it(cluster, endpoint, another, pool, rows_of):
    await cluster.pass_(20, endpoint)
    other = await another()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM webhooks.endpoints WHERE id = $1 FOR UPDATE", endpoint)
        await cluster.pass_(1, other)
        assert {row["id"]: row["active"] for row in await rows_of("endpoints")} == {endpoint: True, other: False}
        (run,) = await pool.fetch("SELECT * FROM webhooks.job_runs ORDER BY slot DESC LIMIT 1")
        assert run["finished_at"] is not None
    await cluster.pass_(1, endpoint)
    assert {row["active"] for row in await rows_of("endpoints")} == {False}


async def test_an_outage_of_the_database_ends_the_look(cluster, endpoint, pool):
    await cluster.pass_(15, endpoint)
    job = next(each for each in jobs_of(cluster.settings) if each.name == JOB)
    await pool.execute(
        "CREATE FUNCTION webhooks.shut() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'shutting down' USING ERRCODE = '57P01'; END $$"
    )
    await pool.execute(
        "CREATE TRIGGER shut BEFORE INSERT ON webhooks.outbox FOR EACH ROW EXECUTE FUNCTION webhooks.shut()"
    )
    await cluster.attempt(endpoint, well=False)
    with pytest.raises(DBAPIError, match="shutting down"):
        await job.run(cluster.resources, cluster.now + 5 * HOUR)


async def test_what_has_arrived_for_certain_is_told_whatever_is_in_doubt(
    cluster, endpoint, another, told, state, pool, log_success
):
    cluster.now = utc_now().replace(minute=utc_now().minute // 5 * 5, second=30)
    await cluster.attempt(endpoint, well=True)
    began = cluster.now + HOUR / 60
    await pool.execute(
        "UPDATE webhooks.endpoint_state SET failing_since = $1, failed_at = NULL, warned = $2", began, TOLD
    )

    async def news():
        async with cluster.transaction() as tx:
            return await service.next_news(tx, LIMIT)

    assert not await news(), "what arrived, arrived before"
    other = await another()
    cluster.now += HOUR / 6
    await cluster.attempt(other, well=True)
    assert await news()
    assert not await news()
    assert [
        row["endpoint_id"] for row in await pool.fetch("SELECT * FROM webhooks.endpoint_state WHERE warned = 0")
    ] == [other]
    await log_success(began + HOUR / 120)
    assert await news()
    assert (await state())["warned"] == 0
    assert await told() == [RECOVERED] * 2


async def test_the_log_is_asked_in_the_partitions_of_the_days_in_question_only(sql):
    now = utc_now()
    statement = last_arrival(new_id(), now + timedelta(days=8)).compile(
        dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
    )
    plan = "\n".join(row[0] for row in await sql(f"EXPLAIN {statement}"))
    for table in ("deliveries", "attempts"):
        assert f"{table}_p{now + timedelta(days=2):%Y%m%d}" in plan
        assert f"{table}_p{now:%Y%m%d}" not in plan


@pytest.fixture
def change_it(cluster, endpoint, workspace):
    """Change the endpoint as its owner does, at the time of now."""
    rules = EndpointRules(RING, None, most=1)

    async def ask(**fields):
        command = UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint, **fields)
        async with cluster.transaction() as tx:
            return await change(tx, rules, command, None)

    return ask


@pytest.fixture
def begin_hours_ago(cluster):
    """Have the test begin so many hours before the present one, so that after them its clock shows this: two minutes past, as ever."""

    def begin(hours):
        cluster.now = utc_now().replace(minute=2, second=0, microsecond=0) - hours * HOUR

    return begin


NEW_URL = [{"url": "http://127.0.0.1:2/"}]
PAUSE = [{"active": False}, {"active": True}]


@pytest.mark.parametrize("changes", [NEW_URL, PAUSE], ids=["a new URL", "a pause"])
async def test_what_its_owner_does_about_a_failing_webhook_begins_the_time_anew(
    cluster, endpoint, told, state, change_it, begin_hours_ago, changes
):
    begin_hours_ago(19)
    await cluster.pass_(19, endpoint)
    assert await told() == WARNED
    failing_since = (await state())["failing_since"]
    for each in changes:
        await change_it(**each)
    found = await state()
    assert (found["failing_since"] > cluster.now - HOUR, found["failed_at"], found["warned"]) == (True, None, TOLD)
    assert found["missed_since"] == failing_since
    await cluster.pass_(9, endpoint)
    assert await told() == WARNED
    await cluster.pass_(3, endpoint)
    assert await told() == [*WARNED, WARNED[0]]
    assert (await state())["active"]


@pytest.mark.parametrize("changes", [NEW_URL, PAUSE], ids=["a new URL", "a pause"])
async def test_of_a_webhook_whose_owner_was_told_nothing_no_failing_is_known_after_that(
    cluster, endpoint, told, state, change_it, begin_hours_ago, changes
):
    begin_hours_ago(8)
    await cluster.pass_(8, endpoint)
    for each in changes:
        await change_it(**each)
    found = await state()
    assert (found["failing_since"], found["failed_at"], found["warned"]) == (None, None, 0)
    await cluster.pass_(8, endpoint)
    assert await told() == []


async def test_the_time_goes_on_for_a_webhook_that_was_on_already_or_keeps_its_url(
    cluster, endpoint, state, change_it, begin_hours_ago
):
    begin_hours_ago(12)
    await cluster.pass_(12, endpoint)
    before = await state()
    await change_it(active=True, url="http://127.0.0.1:1/", description="billing")
    after = await state()
    for name in ("failing_since", "failed_at", "warned"):
        assert after[name] == before[name], name


async def test_a_new_url_of_a_disabled_webhook_tells_nobody_once_more(
    cluster, endpoint, told, state, change_it, begin_hours_ago
):
    begin_hours_ago(22)
    await cluster.pass_(22, endpoint)
    await change_it(url="http://127.0.0.1:2/")
    async with cluster.transaction() as tx:
        assert not await service.next_news(tx, LIMIT)
    assert await told() == [*WARNED, DISABLED]
    assert not (await state())["active"]


async def test_failing_is_shown_when_something_has_failed_since_it_was_turned_on_again(
    cluster, endpoint, change_it, begin_hours_ago
):
    begin_hours_ago(22)
    await cluster.pass_(22, endpoint)
    assert (await change_it(description="off")).failing_since is not None
    cluster.now -= HOUR / 3
    await cluster.attempt(endpoint, well=False)
    cluster.now += HOUR / 3
    turned_on = await change_it(active=True)
    assert turned_on.failing_since is None
    await cluster.pass_(1)
    assert (await change_it(description="still not")).failing_since is None
    await cluster.pass_(1, endpoint)
    since = (await change_it(description="now")).failing_since
    assert abs(since - turned_on.updated_at) < HOUR / 60
