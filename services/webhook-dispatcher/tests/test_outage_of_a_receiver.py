"""A receiver that is away for two hours: what reaches it when it is back, by itself or after one recovery.

Hours pass by moving everything that is on record into the past: what was due in an hour is due now.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

import asyncpg
import pytest

from flowtask_contracts.commands import GetReplay, StartReplay
from flowtask_kit.ids import new_id, utc_now

STEP = timedelta(minutes=15)


@pytest.fixture
def pass_time(pool):
    async def move(time):
        while True:  # the dispatcher locks rows before endpoints; whoever of the two is refused tries again
            with suppress(asyncpg.DeadlockDetectedError):
                return await move_all(time)

    async def move_all(time):
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM webhooks.endpoints ORDER BY id FOR NO KEY UPDATE")
            for table, columns in (
                ("due", ("next_attempt_at", "due_since")),
                ("endpoint_state", ("open_until", "opened_at")),
                ("deliveries", ("last_attempt_at",)),
                ("attempts", ("at",)),
            ):
                moved = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
                await connection.execute(f"UPDATE webhooks.{table} SET {moved}", time)  # noqa: S608 - the test's own
            await connection.execute("UPDATE webhooks.endpoint_revision SET revision = revision + 1")
            await connection.execute(
                "UPDATE webhooks.endpoints SET revision = (SELECT revision FROM webhooks.endpoint_revision)"
            )

    return move


@pytest.fixture
def through_two_hours(receive, subscribe, publish, pass_time, until, sql):
    """An endpoint of that policy whose receiver was away for two hours and is back; and the events of those hours."""

    async def live(policy, status=503):
        back = asyncio.Event()
        receiver = await receive(lambda _request: 200 if back.is_set() else status)
        endpoint = await subscribe(receiver.url, retry_policy=policy)
        events = []

        async def recorded():
            [[number]] = await sql("SELECT count(*) FROM webhooks.deliveries")
            return number == len(events)

        for _ in range(8):
            events += [await publish() for _ in range(3)]
            await until(recorded)
            await pass_time(STEP)
        back.set()
        return endpoint, receiver, events

    return live


async def test_under_the_long_policy_everything_arrives_without_anybody_doing_anything(
    serve, through_two_hours, pass_time, until, sql, delivery
):
    await serve()
    endpoint, receiver, events = await through_two_hours("long")

    async def arrived():
        if {str(event) for event in events} <= delivered(receiver, await sql(DELIVERED)):
            return True
        await pass_time(STEP)
        return False

    await until(arrived, limit=120, pause=0.3)
    triggers = {attempt.trigger for attempt in (await delivery(endpoint, events[0])).attempt_log}
    assert triggers <= {"schedule", "recovery"}


@pytest.mark.parametrize("status", [503, 404])
async def test_under_the_standard_policy_everything_arrives_after_one_recovery(
    serve, through_two_hours, pass_time, until, sql, ask, workspace, status
):
    """While nothing answers the circuit spares tries; what stands in for a receiver and says 404 uses up all of them."""
    await serve()
    begun = utc_now()
    endpoint, receiver, events = await through_two_hours("standard", status)

    async def at_rest():
        if not await sql("SELECT FROM webhooks.due"):
            return True
        await pass_time(STEP)
        return False

    await until(at_rest, limit=120, pause=0.3)
    lost = {str(event) for event in events} - delivered(receiver, await sql(DELIVERED))
    assert status == 503 or len(lost) == len(events)
    replay = await ask(
        StartReplay(workspace_id=workspace, command_id=new_id(), endpoint_id=endpoint.id, recovery=True, since=begun)
    )
    assert replay.total == len(lost)

    async def over():
        return (await ask(GetReplay(workspace_id=workspace, replay_id=replay.id))).status == "completed"

    await until(over)
    assert {str(event) for event in events} == delivered(receiver, await sql(DELIVERED))


DELIVERED = "SELECT event_id FROM webhooks.deliveries WHERE status = 'delivered'"


def delivered(receiver, rows):
    """What is on record as delivered, and did come."""
    return {str(row["event_id"]) for row in rows} & set(receiver.ids())
