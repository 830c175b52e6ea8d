"""While one service is away only its feature is, and when it is back nothing was lost or doubled."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import httpx2
import pytest

from e2e.outages import Scene, died_at, outage
from e2e.settings import redeliver_soon
from flowtask_contracts.topology import FLOWTASK
from flowtask_local.services import ServiceProcess
from flowtask_local.stack import Stack

EXPIRE_LEASES = """
    UPDATE mailer.emails SET lease_until = now() WHERE lease_until > now();
    UPDATE webhooks.due SET lease_until = now() WHERE lease_until > now();
"""
"""A dead process cannot use what it had leased; waiting out the minute would only make a test slow."""


@pytest.fixture(scope="module")
def stack(stack: Stack) -> Stack:
    """The whole FlowTask, whose messages are redelivered soon."""
    redeliver_soon(stack)
    return stack


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The superuser, in FlowTask's database."""
    connection = await asyncpg.connect(stack.postgres.url("flowtask"))
    yield connection
    await connection.close()


async def expire_leases(scene: Scene) -> None:
    await scene.admin.execute(EXPIRE_LEASES)


@pytest.mark.parametrize("service", [service.name for service in FLOWTASK.services])
async def test_nothing_is_lost_or_doubled_while_a_service_is_away(stack: Stack, service: str) -> None:
    outcome = await outage(stack, service, seconds=4, rate=20, patience=60, before_return=expire_leases)
    assert outcome.problems == []
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert outcome.webhooks > outcome.mails > 0


# The mailer's worst moments


async def assign(client: httpx2.AsyncClient, stack: Stack, title: str) -> str:
    """A new task of the demo user, who gets a mail about it."""
    answer = await client.post("/tasks", json={"title": title, "assigneeId": stack.seed()["userId"]})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["id"])


async def mails_about(client: httpx2.AsyncClient, task: str) -> list[dict]:
    answer = await client.get("/emails", params={"resourceId": task})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def sent(client: httpx2.AsyncClient, task: str) -> dict:
    """The one mail about a task, once it is sent."""
    async with asyncio.timeout(30):
        while not (mails := await mails_about(client, task)) or mails[0]["status"] != "sent":
            await asyncio.sleep(0.05)  # between two looks at the condition
    [mail] = mails
    return mail


def captured(*mailers: ServiceProcess) -> Counter[str]:
    """How often the transport was given each mail, by the mailers' own words."""
    lines = [line for mailer in mailers for line in mailer.log_lines if "mail captured" in line]
    return Counter(json.loads(line)["email_id"] for line in lines)


@pytest.mark.parametrize(("crashpoint", "given"), [("mailer.after-claim", 1), ("mailer.after-send", 2)])
async def test_a_mail_whose_sender_died_is_sent_by_the_next_one(
    stack: Stack,
    client: httpx2.AsyncClient,
    admin: "asyncpg.Connection[asyncpg.Record]",
    crashpoint: str,
    given: int,
) -> None:
    """After the sending nobody can know whether it arrived: the repeat has the same id and bytes, and is one mail."""
    mailer = stack.service("mailer")
    await asyncio.to_thread(mailer.restart, env={"FLOWTASK_CRASHPOINTS": f"{crashpoint}:1"})
    task = await assign(client, stack, crashpoint)
    await asyncio.to_thread(died_at, mailer, crashpoint)
    row = await admin.fetchrow("SELECT * FROM mailer.emails WHERE resource_id = $1", task)
    assert (row["status"], row["attempts"], row["claim_no"]) == ("queued", 0, 1)
    assert row["lease_until"] > row["created_at"]

    await admin.execute(EXPIRE_LEASES)
    await asyncio.to_thread(mailer.restart)
    mail = await sent(client, task)
    assert (mail["id"], mail["attempts"]) == (str(row["id"]), 1)
    again = await admin.fetchrow("SELECT * FROM mailer.emails WHERE resource_id = $1", task)
    same = ("sender", "recipient", "subject", "text", "html")
    assert [again[name] for name in same] == [row[name] for name in same]
    assert again["claim_no"] == 2
    assert captured(mailer)[mail["id"]] == given


async def test_filling_a_lost_projection_goes_on_where_it_stopped(
    stack: Stack, client: httpx2.AsyncClient, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    mailer = stack.service("mailer")
    await asyncio.to_thread(mailer.terminate)
    await admin.execute("TRUNCATE mailer.recipients, mailer.workspaces, mailer.memberships, mailer.projections")
    await asyncio.to_thread(mailer.start, env={"FLOWTASK_CRASHPOINTS": "mailer.after-page:1"})
    await asyncio.to_thread(died_at, mailer, "mailer.after-page")
    stopped = await admin.fetchrow("SELECT cursor, filled_at FROM mailer.projections")
    assert tuple(stopped) == ("workspaces", None)
    # Older than what the snapshot tells: a page that was read again would overwrite it.
    await admin.execute("UPDATE mailer.recipients SET version = version - 1, name = 'as the first page left it'")

    await asyncio.to_thread(mailer.restart)
    async with asyncio.timeout(30):
        while await admin.fetchval("SELECT filled_at FROM mailer.projections") is None:
            await asyncio.sleep(0.05)  # between two looks at the condition
    for table, kept in (("users", "recipients"), ("workspaces", "workspaces"), ("memberships", "memberships")):
        counts = await admin.fetchrow(
            f"SELECT (SELECT count(*) FROM api.{table}), (SELECT count(*) FROM mailer.{kept})"
        )
        assert counts[0] == counts[1] > 0, table
    assert await admin.fetchval("SELECT DISTINCT name FROM mailer.recipients") == "as the first page left it"
    assert (await sent(client, await assign(client, stack, "after the filling")))["attempts"] == 1


async def test_two_mailers_mail_each_assignment_once(
    stack: Stack, client: httpx2.AsyncClient, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    first = stack.service("mailer")
    second = await asyncio.to_thread(stack.add_replica, "mailer")
    try:
        before = captured(first, second)
        tasks: list[str] = []
        for _ in range(15):
            tasks += await asyncio.gather(*(assign(client, stack, "for two mailers") for _ in range(20)))
        about = "FROM mailer.emails WHERE resource_id = ANY($1::text[])"
        async with asyncio.timeout(60):
            while await admin.fetchval(f"SELECT count(*) {about} AND status = 'sent'", tasks) < len(tasks):
                await asyncio.sleep(0.05)  # between two looks at the condition
        mails = await admin.fetch(f"SELECT id::text, resource_id, attempts {about}", tasks)
        assert sorted(mail["resource_id"] for mail in mails) == sorted(tasks)
        assert {mail["attempts"] for mail in mails} == {1}
        assert captured(first, second) - before == Counter(mail["id"] for mail in mails)
    finally:
        await asyncio.to_thread(second.terminate)
