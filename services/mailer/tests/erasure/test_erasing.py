import asyncio
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from flowtask_contracts.events import MembershipDeleted, MembershipUpdated, UserErased, UserUpdated, WorkspaceErased
from flowtask_contracts.resources import Erased, Membership, Role, User
from flowtask_contracts.topology import MAILER_PEOPLE, MAILER_TASKS
from flowtask_kit.ids import utc_now
from flowtask_local.mentions import mentions
from flowtask_local.service_world import until

PROGRAM = Path(sys.executable).with_name("flowtask-mailer")
TOMBSTONES = {"mailer.recipients.user_id", "mailer.workspaces.workspace_id"}


def told(kind, workspace_id, subject, data, version=9):
    return kind(workspace_id=workspace_id, subject=subject, time=utc_now(), actor="system", version=version, data=data)


def user_erased(user_id):
    return told(UserErased, uuid4(), user_id, Erased(id=user_id))


def workspace_erased(workspace_id):
    return told(WorkspaceErased, workspace_id, workspace_id, Erased(id=workspace_id))


@pytest.fixture
def found(world):
    """Where a text stands in the schema, but for tombstones."""

    async def look(text):
        connection = await asyncpg.connect(world.postgres.url(world.database))
        try:
            return await mentions(connection, str(text), ["mailer"], besides=TOMBSTONES)
        finally:
            await connection.close()

    return look


@pytest.fixture
def erased(world):
    """Wait until everything heard so far is erased."""

    async def wait():
        await world.settled(MAILER_PEOPLE)
        await until(lambda: nothing_left(world))

    return wait


async def nothing_left(world):
    return not await world.rows("SELECT 1 FROM mailer.erasures")


async def test_people_and_places_follow_what_becomes_of_them(world, make, workspace):
    await world.serve()
    ada = uuid4()
    await world.publish(make.user(ada))
    await world.publish(make.membership(workspace, ada, role=Role.MEMBER))
    renamed = User(id=ada, email="ada@example.com", name="Ada Lovelace", created_at=utc_now())
    await world.publish(told(UserUpdated, uuid4(), ada, renamed, version=2))
    place = Membership(workspace_id=workspace, user_id=ada, role=Role.ADMIN)
    await world.publish(told(MembershipUpdated, workspace, ada, place, version=2))
    await world.settled(MAILER_PEOPLE)
    (person,) = await world.rows("SELECT name FROM mailer.recipients")
    (kept,) = await world.rows("SELECT role FROM mailer.memberships")
    assert (person["name"], kept["role"]) == ("Ada Lovelace", "admin")

    await world.publish(told(MembershipDeleted, workspace, ada, place, version=3))
    await world.publish(told(MembershipUpdated, workspace, ada, place, version=2))
    await world.settled(MAILER_PEOPLE)
    assert [row["role"] for row in await world.rows("SELECT role FROM mailer.memberships")] == [None]
    await world.publish(make.membership(workspace, ada, role=Role.MEMBER, version=4))
    await world.settled(MAILER_PEOPLE)
    assert [row["role"] for row in await world.rows("SELECT role FROM mailer.memberships")] == ["member"]


async def test_of_a_person_nothing_is_left_and_mails_to_others_no_longer_name_them(
    world, make, workspace, sent, emails, erased, found
):
    await world.serve(mail_poll_seconds=0.05)
    ada, bob = uuid4(), uuid4()
    await world.publish(make.user(ada, email="ada@example.com", name="Ada King Lovelace"))
    await world.publish(make.user(bob, email="bob@example.com", name="Bob"))
    await world.publish(make.membership(workspace, ada))
    await world.settled(MAILER_PEOPLE)
    await world.publish(make.assigned(workspace, ada))
    await world.publish(make.assigned(workspace, bob, title="Of Ada's", actor=f"user:{ada}"))
    await sent(2)
    assert await found("Ada King Lovelace")

    await world.publish(user_erased(ada))
    await erased()
    assert await found("ada@example.com") == await found("Ada King Lovelace") == {}
    assert await found(ada) == {"mailer.emails.facts": 1}  # whoever assigned it: an id and nothing else
    (left,) = (await emails()).items
    assert (left.to, left.status, left.subject) == ("bob@example.com", "sent", "You've been assigned: Of Ada's")


@pytest.mark.parametrize("repeats", [1, 2])
async def test_nothing_that_comes_late_or_again_brings_them_back(world, make, workspace, erased, found, repeats):
    await world.serve(mail_poll_seconds=0.05)
    ada, bob = uuid4(), uuid4()
    for _ in range(repeats):
        await world.publish(user_erased(ada))
        await world.publish(workspace_erased(workspace))
        await erased()
        await world.publish(make.user(ada, email="ada@example.com", version=8))
        await world.publish(make.workspace(workspace, name="Navy", version=8))
        await world.publish(make.membership(workspace, bob, version=7))
        await world.publish(make.membership(uuid4(), ada, version=7))
        await world.publish(make.assigned(workspace, bob))
        await world.publish(make.assigned(uuid4(), ada))
        await world.settled(MAILER_PEOPLE)
        await world.settled(MAILER_TASKS)
    assert await found("ada@example.com") == await found("Navy") == await found(ada) == await found(workspace) == {}


async def test_of_a_workspace_nothing_is_left(world, make, workspace, sent, erased, found):
    await world.serve(mail_poll_seconds=0.05)
    ada, elsewhere = uuid4(), uuid4()
    await world.publish(make.user(ada))
    await world.publish(make.workspace(workspace, name="Navy"))
    await world.publish(make.membership(workspace, ada))
    await world.publish(make.membership(elsewhere, ada))
    for place in (workspace, elsewhere):
        await world.publish(make.assigned(place, ada))
    await sent(1)

    await world.publish(workspace_erased(workspace))
    await erased()
    assert await found(workspace) == await found("Navy") == {}
    assert await found(elsewhere) == {"mailer.emails.workspace_id": 1, "mailer.memberships.workspace_id": 1}


async def test_a_mail_that_waits_is_written_anew_and_one_that_is_being_tried_is_waited_for(world, workspace, found):
    ada = uuid4()
    row = (
        "INSERT INTO mailer.emails (id, workspace_id, kind, event_id, user_id, resource_id, facts, sender, recipient,"
        " subject, text, html, status, attempts, due_at, claim_no, created_at) VALUES (gen_random_uuid(), $1,"
        " 'task.assigned', gen_random_uuid(), gen_random_uuid(), 'x', jsonb_build_object('actor', $2::text), 's', 'r',"
        " 'u', 'Ada has', 'Ada has', 'queued', $3, now() + interval '1 hour', $3, now())"
    )
    for claims in (0, 1):
        await world.rows(row, workspace, f"user:{ada}", claims)
    await world.serve()
    await world.publish(user_erased(ada))

    async def written_anew():
        return await world.rows("SELECT 1 FROM mailer.emails WHERE claim_no = 0 AND text IS NULL AND recipient IS NULL")

    await until(written_anew)
    (waited_for,) = await until(lambda: world.rows("SELECT due_at > now() AS later FROM mailer.erasures WHERE quiet"))
    assert waited_for["later"] or await until(lambda: world.rows("SELECT 1 FROM mailer.erasures WHERE due_at > now()"))
    assert await found("Ada has") == {"mailer.emails.html": 1, "mailer.emails.text": 1}

    await world.rows("UPDATE mailer.emails SET status = 'sent' WHERE claim_no = 1")
    await world.rows("UPDATE mailer.erasures SET due_at = now()")
    await until(lambda: nothing_left(world))
    assert await found("Ada has") == {}


async def test_a_mailer_killed_in_the_middle_is_taken_over(world, workspace, erased, found):
    await world.rows(
        "INSERT INTO mailer.emails (id, workspace_id, kind, event_id, user_id, resource_id, facts, status, attempts,"
        " due_at, claim_no, created_at) SELECT gen_random_uuid(), $1, 'task.assigned', gen_random_uuid(),"
        " gen_random_uuid(), 'x', '{}', 'sent', 1, now(), 1, now() FROM generate_series(1, 1200)",
        workspace,
    )
    await world.publish(workspace_erased(workspace))
    env = {f"FLOWTASK_{name.upper()}": str(value) for name, value in world.environment(port=0).items()}
    killed = await asyncio.to_thread(
        subprocess.run,
        [PROGRAM, "serve"],
        env={"PATH": os.environ["PATH"], **env, "FLOWTASK_CRASHPOINTS": "mailer.erasing:3"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    assert await found(workspace)
    await world.serve()
    await erased()
    assert await found(workspace) == {}
