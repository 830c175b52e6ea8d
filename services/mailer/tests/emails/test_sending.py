import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from flowtask_contracts.commands.mailer import EmailStatus
from flowtask_contracts.errors import NotFound, ServiceUnavailable, ValidationFailed
from flowtask_contracts.topology import MAILER_PEOPLE, MAILER_TASKS
from flowtask_kit.ids import new_id
from flowtask_local.service_world import until
from flowtask_mailer.transport import Accepted, Failed, Refused


class Post:
    """A transport that answers as it is told, and remembers what it was given."""

    name = "post"

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.messages = []

    async def send(self, message):
        self.messages.append(message)
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted(f"re_{len(self.messages)}")
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, asyncio.Event):
            await outcome.wait()
            return Accepted("late")
        return outcome


@pytest.fixture
async def ada(world, make):
    """A person whom the mailer knows."""
    user_id = uuid4()
    await world.publish(make.user(user_id))
    return user_id


async def test_a_mail_to_a_person_without_address_waits_until_one_is_known(world, make, workspace, sent, emails):
    await world.serve()
    ada = uuid4()
    await world.publish(make.user(ada, email=None))
    await world.settled(MAILER_PEOPLE)
    await world.publish(make.assigned(workspace, ada))
    await world.settled(MAILER_TASKS)
    (waiting,) = (await emails()).items
    assert (waiting.status, waiting.to, waiting.attempts) == (EmailStatus.QUEUED, None, 0)

    await world.publish(make.user(ada, version=2))

    (shown,) = await sent()
    assert (shown.id, shown.to) == (waiting.id, "ada@example.com")


async def test_an_assignment_becomes_one_captured_mail_within_a_second(world, make, ada, workspace, sent, email):
    await world.serve()
    grace = uuid4()
    await world.publish(make.user(grace, email="grace@example.com", name="Grace"))
    await world.publish(make.workspace(workspace, name="Navy"))
    await world.settled(MAILER_PEOPLE)

    event = make.assigned(workspace, ada, actor=f"user:{grace}")
    event_id = await world.publish(event)
    (shown,) = await sent(limit=1.0)

    assert (shown.kind, shown.user_id, shown.to) == ("task.assigned", ada, "ada@example.com")
    assert (shown.event_id, shown.resource_id) == (event_id, str(event.subject))
    assert (shown.status, shown.transport, shown.attempts) == (EmailStatus.SENT, "capture", 1)
    detail = await email(shown.id)
    assert detail.from_ == "FlowTask <notifications@flowtask.app>"
    assert detail.subject == "You've been assigned: Write it down"
    assert "Grace has assigned you a task in Navy" in detail.text
    assert "Grace has assigned you a task in Navy" in detail.html


async def test_an_event_that_is_heard_again_makes_no_second_mail(world, make, ada, workspace, emails, sent):
    await world.serve()
    event, event_id = make.assigned(workspace, ada), new_id()
    for _ in range(3):
        await world.publish(event, event_id=event_id)
    await world.publish(make.assigned(workspace, ada))
    await world.settled(MAILER_TASKS)
    assert len(await sent(2)) == 2
    assert len((await emails()).items) == 2


async def test_two_replicas_mail_each_assignment_once(world, make, ada, workspace, sent):
    posts = [Post(), Post()]
    for post in posts:
        await world.serve(post)
    await world.settled(MAILER_PEOPLE)
    for _ in range(60):
        await world.publish(make.assigned(workspace, ada))
    assert len(await sent(60, limit=60)) == 60
    ids = [message.id for post in posts for message in post.messages]
    assert len(ids) == len(set(ids)) == 60


async def test_a_mail_that_is_not_taken_is_tried_again_with_the_same_bytes(world, make, ada, workspace, sent):
    post = Post(Failed("429", timedelta(seconds=1)), OSError("reset"), Accepted("re_9"))
    await world.serve(post, mail_poll_seconds=0.05)
    await world.settled(MAILER_PEOPLE)
    await world.publish(make.assigned(workspace, ada))
    await until(lambda: len(post.messages) == 1)
    await world.publish(make.user(ada, email="new@example.com", name="Countess", version=2))
    await world.settled(MAILER_PEOPLE)
    await until(lambda: len(post.messages) == 2, limit=60)
    await world.rows("UPDATE mailer.emails SET due_at = now() WHERE attempts = 2")

    (shown,) = await sent()
    assert (shown.attempts, shown.last_error) == (3, None)
    first, second, third = post.messages
    assert first == second == third
    (row,) = await world.rows("SELECT provider_id, facts FROM mailer.emails")
    assert row["provider_id"] == "re_9"


async def test_a_mail_that_is_refused_has_failed_and_holds_nobody_up(world, make, ada, workspace, sent):
    post = Post(Refused("no such box"))
    await world.serve(post)
    await world.settled(MAILER_PEOPLE)
    await world.publish(make.assigned(workspace, ada))
    (failed,) = await sent(status="failed")
    assert (failed.last_error, failed.sent_at, failed.attempts) == ("no such box", None, 1)
    await world.publish(make.assigned(workspace, ada))
    assert await sent()


async def test_a_mail_that_cannot_be_written_waits_and_holds_nobody_up(world, make, ada, workspace, sent, emails):
    await world.serve(mail_poll_seconds=0.05)
    await world.settled(MAILER_PEOPLE)
    await world.rows(
        "INSERT INTO mailer.emails (id, workspace_id, kind, event_id, user_id, resource_id, facts, status, attempts,"
        " due_at, claim_no, created_at) VALUES ($1, $2, 'nobody.wrote.this', $1, $3, 'x', '{}', 'queued', 0,"
        " now() - interval '1 hour', 0, now())",
        new_id(),
        workspace,
        ada,
    )
    await world.publish(make.assigned(workspace, ada))
    assert await sent()
    (waiting,) = (await emails(status="queued")).items
    assert (waiting.kind, waiting.last_error, waiting.to) == ("nobody.wrote.this", "it could not be written", None)
    assert waiting.attempts >= 1


async def test_what_a_crashed_replica_had_taken_is_taken_again_and_its_late_success_counts(
    world, make, ada, workspace, sent
):
    never = asyncio.Event()
    hanging = Post(never)
    await world.serve(hanging)
    await world.settled(MAILER_PEOPLE)
    await world.publish(make.assigned(workspace, ada))
    await until(lambda: hanging.messages)
    post = Post(Failed("busy", timedelta(hours=1)))
    await world.serve(post, mail_poll_seconds=0.05)
    await world.rows("UPDATE mailer.emails SET lease_until = now()")  # its minute is over
    await until(lambda: post.messages)
    assert post.messages[0] == hanging.messages[0]
    never.set()
    (shown,) = await sent()
    assert shown.status == EmailStatus.SENT


async def test_who_is_not_known_yet_gets_the_mail_once_they_are(world, make, workspace, sent, emails):
    post = Post()
    await world.serve(post, mail_poll_seconds=0.05)
    late = uuid4()
    await world.publish(make.assigned(workspace, late))
    await world.settled(MAILER_TASKS)
    (waiting,) = (await emails()).items
    assert (waiting.status, waiting.to, waiting.subject, waiting.attempts) == (EmailStatus.QUEUED, None, None, 0)

    await world.publish(make.user(late, email="late@example.com"))
    (shown,) = await sent()
    assert (shown.to, shown.attempts) == ("late@example.com", 1)
    assert len(post.messages) == 1


async def test_the_log_is_paged_filtered_and_the_workspaces_alone(world, make, ada, workspace, sent, emails, email):
    await world.serve()
    bob = uuid4()
    await world.publish(make.user(bob, email="bob@example.com"))
    await world.settled(MAILER_PEOPLE)
    made = [make.assigned(workspace, ada if number % 2 else bob) for number in range(7)]
    for event in (*made, make.assigned(uuid4(), ada)):
        await world.publish(event)
    newest = await sent(7)

    assert [shown.id for shown in newest] == sorted((shown.id for shown in newest), reverse=True)
    first = await emails(limit=4)
    rest = await emails(limit=4, cursor=first.next_cursor)
    assert [shown.id for shown in (*first.items, *rest.items)] == [shown.id for shown in newest]
    assert rest.next_cursor is None
    assert {shown.to for shown in (await emails(user_id=bob)).items} == {"bob@example.com"}
    assert [shown.resource_id for shown in (await emails(resource_id=str(made[0].subject))).items] == [
        str(made[0].subject)
    ]
    assert (await emails(status="failed")).items == ()
    (foreign,) = await world.rows("SELECT id FROM mailer.emails WHERE workspace_id <> $1", workspace)
    with pytest.raises(NotFound, match="Email not found"):
        await email(foreign["id"])
    with pytest.raises(ValidationFailed):
        await emails(cursor="not ours")


async def test_a_database_that_goes_away_uses_up_no_try(world, make, ada, workspace, sent):
    post = Post()
    await world.serve(post, mail_poll_seconds=0.05)
    await world.settled(MAILER_PEOPLE)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    for _ in range(5):
        await world.publish(make.assigned(workspace, ada))
        await world.rows(kill)
    shown = await sent(
        5, limit=90
    )  # a claim of which nobody heard that it was committed waits for its lease of a minute
    assert {mail.attempts for mail in shown} == {1}
    assert await world.rows("SELECT 1 FROM mailer.failed_messages") == []


async def test_the_result_of_a_mail_outlives_an_outage_of_the_database(world, make, ada, workspace, sent, capfd):
    sending = asyncio.Event()
    post = Post(sending)
    await world.serve(post)
    await world.settled(MAILER_PEOPLE)
    await world.publish(make.assigned(workspace, ada))
    await until(lambda: post.messages)
    blocked = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'mailer.emails'::regclass"
    )
    admin = await asyncpg.connect(world.postgres.url(world.database))
    async with admin.transaction():
        await admin.execute("LOCK TABLE mailer.emails IN ACCESS EXCLUSIVE MODE")
        sending.set()
        await until(lambda: world.rows(blocked))
        await until(lambda: "results of mails wait for the database" in capfd.readouterr().out)
    await admin.close()
    (shown,) = await sent()
    assert (shown.attempts, len(post.messages)) == (1, 1)


async def test_it_has_the_probes_and_counts_its_mails(world, make, ada, workspace, sent):
    app = await world.serve()
    await world.settled(MAILER_PEOPLE)
    await world.publish(make.assigned(workspace, ada))
    await sent()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://mailer") as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        told = (await client.get("/metrics")).text
    assert 'flowtask_mailer_tries_total{kind="task.assigned",outcome="accepted",transport="capture"}' in told
    assert "flowtask_mailer_first_try_seconds_count" in told
    assert "flowtask_mailer_oldest_due_seconds" in told
    assert "ada@example.com" not in told


async def test_without_the_mailer_its_commands_are_unavailable(emails):
    with pytest.raises(ServiceUnavailable) as refusal:
        await emails()
    assert refusal.value.retry_after == 5
