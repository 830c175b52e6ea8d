"""What cannot be sent for five days, by a clock of the test's own over a real database."""

from datetime import UTC, datetime, timedelta

import pytest

from flowtask_contracts.commands import RetryDelivery, UpdateEndpoint
from flowtask_contracts.topology import DISPATCHER_JOBS, FLOWTASK
from flowtask_kit.ids import new_id, utc_now
from flowtask_kit.schedule.scheduler import Scheduler
from flowtask_kit.service.resources import Resources
from flowtask_webhook_dispatcher.database import JobRun
from flowtask_webhook_dispatcher.deliveries.expiry import HOURS, JOB
from flowtask_webhook_dispatcher.deliveries.identity import delivery_id
from flowtask_webhook_dispatcher.deliveries.jobs import history_jobs
from flowtask_webhook_dispatcher.deliveries.models import NEVER
from flowtask_webhook_dispatcher.dispatch.metrics import EXPIRED

HOUR = timedelta(hours=1)


class Hours:
    """A cluster whose service is there hour after hour, and away when it is told so."""

    def __init__(self, scheduler, now):
        self.scheduler = scheduler
        self.now = now

    async def clock(self, _tx):
        return self.now

    async def pass_(self, hours):
        for _ in range(hours):
            self.now += HOUR
            await self.scheduler.look(JOB)
            await self.scheduler.idle()

    def away(self, hours):
        self.now += hours * HOUR


@pytest.fixture
async def hours(settings):
    """It begins two minutes past the hour that comes next."""
    told = settings()
    resources = Resources.create(FLOWTASK.service("webhook-dispatcher"), told)
    begin = datetime.now(UTC).replace(minute=2, second=0, microsecond=0) + HOUR
    made = Hours(None, begin)
    made.scheduler = Scheduler(resources, JobRun, history_jobs(told), DISPATCHER_JOBS, clock=made.clock, poll=3600)
    yield made
    await resources.direct.close()
    await resources.database.close()


@pytest.fixture
def owe(pool, workspace):
    """A pending delivery that is due; further columns of its due row are set."""

    async def make(*, at=None, status="pending", **columns):
        event, endpoint = new_id(), new_id()
        identity = delivery_id(event, endpoint)
        await pool.execute(
            "INSERT INTO webhooks.deliveries"
            " (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status, attempts)"
            " VALUES ($1, $2, $3, $4, 'task.created', '', $5, 0)",
            event,
            endpoint,
            identity,
            workspace,
            status,
        )
        named = {
            "delivery_id": identity,
            "event_id": event,
            "endpoint_id": endpoint,
            "stream_seq": 1,
            "next_attempt_at": at or utc_now(),
            **columns,
        }
        places = ", ".join(f"${number}" for number in range(1, len(named) + 1))
        statement = f"INSERT INTO webhooks.due ({', '.join(named)}) VALUES ({places})"  # noqa: S608 - the test's own
        await pool.execute(statement, *named.values())
        return identity

    return make


@pytest.fixture
def statuses(sql):
    async def read():
        return {row["delivery_id"]: row["status"] for row in await sql("SELECT * FROM webhooks.deliveries")}

    return read


@pytest.fixture
def still_due(sql):
    async def read():
        return {row["delivery_id"] for row in await sql("SELECT delivery_id FROM webhooks.due")}

    return read


async def test_what_waits_for_five_days_is_expired_and_neither_earlier_nor_later(hours, owe, statuses, still_due):
    before = EXPIRED._value.get()
    waiting = await owe()
    await hours.pass_(HOURS)
    assert await statuses() == {waiting: "pending"}
    await hours.pass_(1)
    assert await statuses() == {waiting: "expired"}
    assert await still_due() == set()
    assert EXPIRED._value.get() == before + 1


async def test_hours_in_which_we_were_away_do_not_count(hours, owe, statuses):
    waiting = await owe()
    await hours.pass_(HOURS // 2)
    hours.away(6 * 24)
    await hours.pass_(HOURS // 2)
    assert await statuses() == {waiting: "pending"}
    await hours.pass_(1)
    assert await statuses() == {waiting: "expired"}


async def test_what_waits_for_its_time_or_is_under_way_does_not_expire(hours, owe, statuses, still_due):
    later = hours.now + HOURS * HOUR
    kept = {
        await owe(at=later - HOUR, attempts=3),
        await owe(lease_until=later + HOUR * 2, claim_no=1),
        await owe(at=later + HOUR * 2, attempts=1, due_since=utc_now()),
        await owe(attempts=1, trigger="replay"),  # it was asked for although it is old
    }
    given_back = await owe(at=later - HOUR, due_since=utc_now())
    delivered = await owe(status="delivered", trigger="manual")
    await hours.pass_(HOURS + 1)
    assert await statuses() == {**dict.fromkeys(kept, "pending"), given_back: "expired", delivered: "delivered"}
    assert await still_due() == kept


async def test_what_waits_behind_another_expires_like_anything_else_and_what_blocks_stays(
    hours, owe, statuses, still_due
):
    """A delivery that has been given up is nobody's news any more; it waits for somebody to decide."""
    waiting = await owe(at=NEVER, due_since=utc_now(), order_key="a")
    blocking = await owe(at=NEVER, status="failed", order_key="a", attempts=4, blocked_at=utc_now())
    await hours.pass_(HOURS + 1)
    assert await statuses() == {waiting: "expired", blocking: "failed"}
    assert await still_due() == {blocking}


async def test_what_expired_is_seen_is_not_sent_any_more_and_may_be_retried_by_hand(
    hours, serve, receive, subscribe, publish, settled, delivery, deliveries, until, ask, workspace
):
    await serve()
    receiver = await receive(lambda _request: 500 if len(receiver.requests) == 1 else 200)
    endpoint = await subscribe(receiver.url, retry_policy="custom", retry_schedule=(3,))

    async def turn(*, on):
        await ask(UpdateEndpoint(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, active=on))

    old = await publish()
    await until(lambda: receiver.requests)
    await turn(on=False)
    found = await settled(endpoint, old, "pending")
    await until(lambda: utc_now() > found.next_attempt_at)
    await hours.pass_(HOURS + 1)
    found = await delivery(endpoint, old)
    assert (found.status, found.attempts, found.next_attempt_at, found.last_status_code) == ("expired", 1, None, 500)
    assert [item.event_id for item in await deliveries(endpoint, status="expired")] == [old]
    await turn(on=True)
    young = await publish()
    await settled(endpoint, young, "delivered")
    assert len(receiver.of(old)) == 1
    await ask(RetryDelivery(workspace_id=workspace, command_id=new_id(), delivery_id=found.id))
    found = await settled(endpoint, old, "delivered")
    assert [attempt.trigger for attempt in found.attempt_log] == ["schedule", "manual"]
