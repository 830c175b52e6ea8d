"""What an attempt teaches, when what is known of its endpoint has changed since it began."""

from datetime import timedelta

import pytest

from flowtask_contracts.commands.webhooks import Circuit
from flowtask_kit.ids import utc_now
from flowtask_webhook_dispatcher.deliveries.models import Accepted, Failed
from flowtask_webhook_dispatcher.dispatch.guard import Guard
from flowtask_webhook_dispatcher.dispatch.work import Tripped
from flowtask_webhook_dispatcher.endpoints.breaker import CLOSED, Rules

HOLD = timedelta(seconds=10)


@pytest.fixture
def recorded():
    return []


@pytest.fixture
async def guard(directory, recorded):
    return Guard(directory, recorded.append, Rules(failures=2, hold=HOLD), each=4)


@pytest.fixture
def read(directory, pool):
    """Have the directory read the endpoint, as it stands on record, anew."""

    async def anew(endpoint, **changed):
        revision = "(SELECT revision FROM webhooks.endpoint_revision)"
        await pool.execute("UPDATE webhooks.endpoint_revision SET revision = revision + 1")
        if "url" in changed:
            await pool.execute("UPDATE webhooks.endpoints SET url = $2 WHERE id = $1", endpoint, changed["url"])
        if (breaker := changed.get("breaker")) is not None:
            await pool.execute(
                "UPDATE webhooks.endpoint_state SET failures = $2, opens = $3, opened_at = $4, open_until = $5"
                " WHERE endpoint_id = $1",
                *(endpoint, breaker.failures, breaker.opens, breaker.opened_at, breaker.open_until),
            )
        await pool.execute(f"UPDATE webhooks.endpoints SET revision = {revision} WHERE id = $1", endpoint)  # noqa: S608
        async with pool.acquire() as connection:
            await directory.refresh(connection)
        return directory.get(endpoint)

    return anew


async def test_a_failure_that_comes_late_leaves_a_circuit_open_and_a_success_then_closes_it_on_record(
    guard, recorded, make_endpoint, read
):
    endpoint, now = await make_endpoint(), utc_now()
    before = await read(endpoint)
    for _ in range(2):
        guard.note(before, Failed(), now)
    [tripped] = recorded
    opened = await read(endpoint, breaker=tripped.breaker)

    guard.note(before, Failed(), now)  # it had begun before the circuit opened

    assert guard.circuit(opened, now) is Circuit.OPEN
    assert guard.room(opened, now) == 0
    assert guard.again_in(opened, now) == HOLD
    guard.note(before, Accepted(), now + HOLD)
    assert isinstance(recorded[-1], Tripped)
    assert recorded[-1].breaker is CLOSED
    assert recorded[-1].recover_since == tripped.breaker.opened_at - timedelta(minutes=10)
    assert guard.circuit(opened, now) is Circuit.CLOSED


async def test_what_was_sent_to_another_url_or_to_an_endpoint_that_is_gone_teaches_nothing(
    guard, recorded, make_endpoint, read, make_receiver
):
    endpoint, now = await make_endpoint(), utc_now()
    before = await read(endpoint)
    after = await read(endpoint, url="http://127.0.0.1:2/")
    for receiver in (before, make_receiver()):
        for _ in range(3):
            guard.note(receiver, Failed(), now)
    assert recorded == []
    assert guard.circuit(after, now) is Circuit.CLOSED
    guard.note(after, Failed(), now)
    guard.note(after, Failed(), now)
    assert guard.circuit(after, now) is Circuit.OPEN


async def test_an_owner_may_allow_more_at_once_than_is_usual_or_less(guard, make_endpoint, read, pool):
    more, less, usual = [await make_endpoint() for _ in range(3)]
    for endpoint, limit in ((more, 50), (less, 2)):
        await pool.execute("UPDATE webhooks.endpoints SET max_concurrency = $2 WHERE id = $1", endpoint, limit)
        await read(endpoint)
    await read(usual)
    assert [guard.at_once(each) for each in (more, less, usual)] == [50, 2, 4]
