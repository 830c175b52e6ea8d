import asyncio
import base64
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import ANY
from uuid import UUID

import asyncpg
import pytest

from flowtask_api.sync import renumbering, service

SYNC = "/api/v1/sync"
FAR = 1 << 40


class Copy:
    """A client that knows nothing but what /sync tells."""

    def __init__(self, client, per_page=100):
        self.client = client
        self.per_page = per_page
        self.token = None
        self.tasks = {}
        self.projects = {}
        self.begun = 0

    async def page(self):
        query = {"perPage": self.per_page} | ({"token": self.token} if self.token else {})
        answer = await self.client.get(SYNC, params=query)
        assert answer.status_code == 200, answer.text
        changes = answer.json()["data"]
        if changes["fullSync"]:
            self.begun += 1
            self.tasks.clear()
            self.projects.clear()
        self.tasks |= {task["id"]: task for task in changes["tasks"]}
        self.projects |= {project["id"]: project for project in changes["projects"]}
        for gone in changes["deleted"]:
            (self.tasks if gone["type"] == "task" else self.projects).pop(gone["id"], None)
        self.token = changes["nextToken"]
        return changes

    async def catch_up(self):
        pages = [await self.page()]
        while pages[-1]["hasMore"]:
            pages.append(await self.page())
        return pages


async def everything(client, name):
    rows, cursor = [], ""
    while cursor is not None:
        answer = (await client.get(f"/api/v1/{name}", params={"cursor": cursor, "perPage": 100})).json()
        rows += answer["data"]
        cursor = answer["meta"]["nextCursor"]
    return {row["id"]: {field: value for field, value in row.items() if field != "project"} for row in rows}


async def assert_the_same(copy, client):
    assert copy.tasks == await everything(client, "tasks")
    assert copy.projects == await everything(client, "projects")


async def make(client, what, **fields):
    answer = await client.post(f"/api/v1/{what}", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def test_everything_comes_first_and_then_what_has_changed(client):
    project = await make(client, "projects", name="P")
    task = await make(client, "tasks", title="one", projectId=project["id"])
    copy = Copy(client)

    first = await copy.page()
    assert (first["fullSync"], first["hasMore"], first["deleted"]) == (True, False, [])
    assert "project" not in first["tasks"][0]
    await assert_the_same(copy, client)

    nothing = await copy.page()
    assert (nothing["fullSync"], nothing["tasks"], nothing["projects"], nothing["deleted"]) == (False, [], [], [])

    await client.patch(f"/api/v1/tasks/{task['id']}", json={"title": "changed"})
    other = await make(client, "tasks", title="two")
    changed = await copy.page()
    assert [each["title"] for each in changed["tasks"]] == ["changed", "two"]
    assert changed["projects"] == []

    await client.delete(f"/api/v1/tasks/{other['id']}")
    gone = await copy.page()
    assert [(each["type"], each["id"]) for each in gone["deleted"]] == [("task", other["id"])]
    await assert_the_same(copy, client)


async def test_a_deleted_project_and_its_tasks_are_told(client):
    project = await make(client, "projects", name="P")
    for number in range(3):
        await make(client, "tasks", title=f"t{number}", projectId=project["id"])
    copy = Copy(client)
    await copy.catch_up()

    await client.delete(f"/api/v1/projects/{project['id']}")
    changes = await copy.page()
    assert ("project", project["id"]) in [(each["type"], each["id"]) for each in changes["deleted"]]
    async with asyncio.timeout(60):
        while copy.tasks:
            await copy.catch_up()
    await assert_the_same(copy, client)


async def test_pages_hold_as_many_changes_as_were_asked_for(client):
    for number in range(7):
        await make(client, "tasks", title=f"t{number}")
    copy = Copy(client, per_page=3)

    pages = await copy.catch_up()
    assert [len(page["tasks"]) for page in pages] == [3, 3, 1]
    assert [page["fullSync"] for page in pages] == [True, False, False]
    await assert_the_same(copy, client)


async def test_what_is_deleted_while_everything_comes_is_gone_in_the_end(client):
    tasks = [await make(client, "tasks", title=f"t{number}") for number in range(6)]
    copy = Copy(client, per_page=2)
    await copy.page()
    await client.delete(f"/api/v1/tasks/{tasks[0]['id']}")
    await client.delete(f"/api/v1/tasks/{tasks[5]['id']}")

    await copy.catch_up()
    await assert_the_same(copy, client)


async def test_deletions_from_before_the_beginning_are_not_told(client):
    task = await make(client, "tasks", title="short-lived")
    await client.delete(f"/api/v1/tasks/{task['id']}")
    await make(client, "tasks", title="other")
    await asyncio.sleep(0)

    told = [each["id"] for page in await Copy(client).catch_up() for each in page["deleted"]]
    assert told == []


async def test_a_transaction_that_commits_late_is_not_missed(client, account, databases):
    """Its number is smaller than that of one whose changes were read before."""
    slow = await asyncpg.connect(databases.admin)
    late = slow.transaction()
    await late.start()
    await slow.execute(
        "INSERT INTO api.tasks (id, workspace_id, title, status, priority, version, created_by, created_at, updated_at)"
        " VALUES (gen_random_uuid(), $1, 'late', 'TODO', 'LOW', 1, $2, now(), now())",
        account.workspace_id,
        account.user_id,
    )
    copy = Copy(client)
    await make(client, "tasks", title="early")
    await copy.catch_up()
    assert [task["title"] for task in copy.tasks.values()] == ["early"]
    await late.commit()
    await slow.close()

    await copy.catch_up()
    assert {task["title"] for task in copy.tasks.values()} == {"early", "late"}
    await assert_the_same(copy, client)
    assert copy.begun == 1


async def test_a_client_that_only_syncs_ends_with_the_same_rows(client, account, databases):
    """Eight writers of all kinds, transactions of random length, and two copies that read small pages meanwhile."""
    project = await make(client, "projects", name="P")
    writing = True
    chance = random.Random(5)  # noqa: S311 - a fixed course of events

    async def write(number):
        mine = []
        for turn in range(25):
            match chance.randrange(6) if mine else 0:
                case 0 | 1 | 2:
                    fields = {"projectId": project["id"]} if chance.random() < 0.3 else {}
                    mine.append((await make(client, "tasks", title=f"{number}.{turn}", **fields))["id"])
                case 3 | 4:
                    await client.patch(f"/api/v1/tasks/{chance.choice(mine)}", json={"description": f"{turn}"})
                case _:
                    await client.delete(f"/api/v1/tasks/{mine.pop(chance.randrange(len(mine)))}")

    async def dawdle():
        """Transactions that are open while many others begin and commit."""
        connection = await asyncpg.connect(databases.admin)
        for _ in range(12):
            async with connection.transaction():
                await connection.execute(
                    "INSERT INTO api.tasks (id, workspace_id, title, status, priority, version, created_by, created_at,"
                    " updated_at) VALUES (gen_random_uuid(), $1, 'slow', 'TODO', 'LOW', 1, $2, now(), now())",
                    account.workspace_id,
                    account.user_id,
                )
                await asyncio.sleep(chance.random() / 20)
        await connection.close()

    async def follow(copy):
        while writing:
            await copy.catch_up()
        await copy.catch_up()

    copies = [Copy(client, per_page=7), Copy(client, per_page=50)]
    following = [asyncio.create_task(follow(copy)) for copy in copies]
    await asyncio.gather(*(write(number) for number in range(8)), dawdle(), dawdle())
    writing = False
    await asyncio.gather(*following)

    for copy in copies:
        await assert_the_same(copy, client)
        assert copy.begun == 1
    assert len(copies[0].tasks) > 50


async def test_other_workspaces_are_never_told_and_their_tokens_are_refused(client, neighbour):
    task = await make(client, "tasks", title="mine")
    await client.delete(f"/api/v1/tasks/{task['id']}")
    copy = Copy(neighbour)
    [page] = await copy.catch_up()
    assert (page["tasks"], page["projects"], page["deleted"]) == ([], [], [])

    answer = await client.get(SYNC, params={"token": copy.token})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "token"


@pytest.mark.parametrize("token", ["x", "AAAA", "A" * 87, "%00", "", "B" * 129])
async def test_what_is_no_token_is_400(client, token):
    answer = await client.get(f"{SYNC}?token={token}")
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "token"


@pytest.fixture
async def key(db):
    """What seals tokens."""
    return await db.fetchval("SELECT token_key FROM api.sync_state")


@pytest.fixture
def after(key, account):
    """The token as it would be had it been given that long ago, or with other changes."""

    def changed(text, age=timedelta(0), **changes):
        token = service.Token.opened(text, account.workspace_id, key)
        settled = max(token.settled - age, datetime.fromtimestamp(0, UTC))
        return replace(token, **{"begun": token.begun - age, "settled": settled, **changes}).sealed(key)

    return changed


@pytest.mark.parametrize(("age", "begun"), [(timedelta(days=90, minutes=-1), 1), (timedelta(days=90, minutes=1), 2)])
async def test_a_token_that_is_too_old_begins_anew(client, after, age, begun):
    await make(client, "tasks", title="one")
    copy = Copy(client)
    await copy.catch_up()
    copy.token = after(copy.token, age)
    await copy.catch_up()
    assert copy.begun == begun
    await assert_the_same(copy, client)


@pytest.mark.parametrize("busy", [False, True])
async def test_a_client_that_syncs_every_month_never_begins_anew(client, after, databases, busy):
    """Neither where everything is settled, nor where a transaction is always under way and rounds resume below it."""
    slow = await asyncpg.connect(databases.admin)
    late = slow.transaction()
    if busy:
        await late.start()
        await slow.execute("SELECT pg_current_xact_id()")
    copy = Copy(client, per_page=2)
    for month in range(12):
        await make(client, "tasks", title=f"month {month}")
        await copy.catch_up()
        copy.token = after(copy.token, timedelta(days=30))
    if busy:
        await late.rollback()
    await slow.close()

    assert copy.begun == 1
    await assert_the_same(copy, client)


@pytest.mark.parametrize(("days", "begun"), [(89, 1), (91, 2)])
async def test_a_client_that_rests_too_long_in_the_middle_of_a_round_begins_anew(client, after, days, begun):
    for number in range(5):
        await make(client, "tasks", title=f"t{number}")
    copy = Copy(client, per_page=2)
    assert (await copy.page())["hasMore"]
    copy.token = after(copy.token, timedelta(days=days))
    await copy.catch_up()
    assert copy.begun == begun
    await assert_the_same(copy, client)


async def test_a_token_of_a_database_that_was_put_back_begins_anew(client, account, after, key):
    await make(client, "tasks", title="one")
    copy = Copy(client)
    await copy.catch_up()
    token = service.Token.opened(copy.token, account.workspace_id, key)
    here = token.history
    for other in (
        {"history": replace(here, system=here.system - 1)},
        {"history": replace(here, timeline=here.timeline + 1)},
        {"history": replace(here, table=here.table + 1)},
        {"at": token.at + 1_000_000},
    ):
        copy.token = after(copy.token, **other)
        before = copy.begun
        await copy.catch_up()
        assert copy.begun == before + 1


async def test_a_token_from_before_they_were_sealed_begins_anew(client, account):
    await make(client, "tasks", title="one")
    copy = Copy(client)
    copy.token = base64.urlsafe_b64encode(b"\x01" + account.workspace_id.bytes + bytes(56)).decode().rstrip("=")
    await copy.catch_up()
    assert copy.begun == 1
    await assert_the_same(copy, client)


@pytest.fixture
async def restored(client, account, db):
    """Tasks, a project and a tombstone as pg_dump brings them from a server that had counted further; another has none."""
    for number in range(7):
        await make(client, "tasks", title=f"t{number}")
    await make(client, "projects", name="P")
    gone = await make(client, "tasks", title="gone")
    await client.delete(f"/api/v1/tasks/{gone['id']}")
    for table in ("tasks", "projects", "tombstones"):
        async with db.transaction():
            await db.execute("SET LOCAL session_replication_role = replica")  # no triggers, as in a restore
            await db.execute(
                f"UPDATE api.{table} SET changed_in = changed_in + $2 WHERE workspace_id = $1",  # noqa: S608
                account.workspace_id,
                FAR,
            )
    await db.execute("UPDATE api.sync_state SET system = 1, renumbered_to = NULL")


async def renumber(app, **options):
    steps = 0
    while True:
        async with app.state.resources.database.sessions.begin() as tx:
            if not await renumbering.go_on(tx, **options):
                return steps
        steps += 1


@pytest.mark.usefixtures("restored")
async def test_syncs_come_to_an_end_among_rows_that_were_restored(client):
    copy = Copy(client, per_page=2)
    async with asyncio.timeout(60):
        for _ in range(3):
            await copy.catch_up()
    assert copy.begun == 1
    await assert_the_same(copy, client)

    await make(client, "tasks", title="new")
    await copy.catch_up()
    await assert_the_same(copy, client)


@pytest.mark.usefixtures("restored")
async def test_what_was_restored_is_renumbered_and_told_no_more(app, client, db, account):
    copy = Copy(client, per_page=2)
    await copy.page()
    before = await everything(client, "tasks")

    await renumber(app)
    for table in ("tasks", "projects", "tombstones"):
        above = f"SELECT count(*) FROM api.{table} WHERE workspace_id = $1 AND changed_in > $2"  # noqa: S608
        assert await db.fetchval(above, account.workspace_id, FAR) == 0
    await copy.catch_up()
    await copy.catch_up()
    assert await copy.catch_up() == [await copy.page() | {"nextToken": ANY}]
    assert (copy.begun, copy.tasks) == (1, before)
    await assert_the_same(copy, client)


@pytest.mark.usefixtures("restored")
async def test_renumbering_is_done_in_steps_once_for_each_server(app, db):
    assert await renumber(app, blocks=1) >= 1
    assert await db.fetchval("SELECT system = (pg_control_system()).system_identifier FROM api.sync_state")
    assert await renumber(app) == 0


async def test_renumbering_leaves_alone_what_has_numbers_of_this_server(app, client, db, account):
    await make(client, "tasks", title="one")
    numbers = "SELECT array_agg(changed_in ORDER BY id) FROM api.tasks WHERE workspace_id = $1"
    before = await db.fetchval(numbers, account.workspace_id)
    await db.execute("UPDATE api.sync_state SET system = 1, renumbered_to = NULL")
    assert await renumber(app) >= 1
    assert await db.fetchval(numbers, account.workspace_id) == before


async def test_tombstones_are_forgotten_after_ninety_days_and_no_sooner(client, account, app, db):
    for title in ("old", "young"):
        task = await make(client, "tasks", title=title)
        await client.delete(f"/api/v1/tasks/{task['id']}")
    mine = "SELECT id FROM api.tombstones WHERE workspace_id = $1 ORDER BY changed_in"
    old, young = (row["id"] for row in await db.fetch(mine, account.workspace_id))
    await db.execute("UPDATE api.tombstones SET deleted_at = now() - interval '91 days 1 minute' WHERE id = $1", old)
    await db.execute("UPDATE api.tombstones SET deleted_at = now() - interval '90 days' WHERE id = $1", young)

    async with app.state.resources.database.sessions.begin() as tx:
        assert not await service.forget(tx)
    assert [row["id"] for row in await db.fetch(mine, account.workspace_id)] == [UUID(str(young))]
