"""Lists while a project is being deleted: right, whatever is hidden, and without walking over what is."""

import json
import random
from datetime import timedelta
from itertools import product
from uuid import UUID, uuid4

import pytest

from flowtask_api.tasks import around
from flowtask_api.tasks.questions import Question
from flowtask_api.tasks.schemas import ListTasks
from flowtask_kit.database.engine import SERVER_SETTINGS
from flowtask_kit.ids import utc_now

HIDDEN_TASKS = 20_000


@pytest.fixture
def settings(settings):
    """Nothing is deleted while a test looks."""
    return settings.model_copy(update={"deletion_poll_seconds": 3600.0})


@pytest.fixture
async def projects(client, db):
    """Three projects, the last of them hidden."""
    ids = [UUID((await client.post("/api/v1/projects", json={"name": name})).json()["data"]["id"]) for name in "abh"]
    await db.execute("UPDATE api.projects SET deleted_at = now(), deleted_by = 'user:x' WHERE id = $1", ids[-1])
    return ids


@pytest.fixture
def plant(db, account):
    """Puts tasks of (age in seconds, project, status, priority) into the workspace."""

    async def put(rows):
        now = utc_now()
        await db.executemany(
            "INSERT INTO api.tasks (id, workspace_id, title, status, priority, due_date, project_id, version, created_by,"
            " created_at, updated_at) VALUES ($1, $2, 'report', $3, $4, $5, $6, 1, $7, $8, $8)",
            [
                (
                    uuid4(),
                    account.workspace_id,
                    status,
                    priority,
                    now + timedelta(hours=age) if age % 3 else None,
                    project,
                    account.user_id,
                    now - timedelta(seconds=age),
                )
                for age, project, status, priority in rows
            ],
        )

    return put


async def expected(db, account, query):
    order = {
        "createdAt": "t.created_at, t.id",
        "dueDate": "due_date, t.id",
        "-dueDate": "due_date DESC NULLS LAST, t.id DESC",
        "-priority": "urgency DESC, t.created_at DESC, t.id DESC",
    }.get(query.get("sort"), "t.created_at DESC, t.id DESC")
    rows = await db.fetch(
        "SELECT t.id FROM api.tasks t LEFT JOIN api.projects p ON p.id = t.project_id WHERE t.workspace_id = $1"  # noqa: S608
        " AND p.deleted_at IS NULL AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR priority = $3)"
        f" ORDER BY {order}",
        account.workspace_id,
        query.get("status"),
        query.get("priority"),
    )
    return [str(row["id"]) for row in rows]


async def read_by_page(client, query):
    read, page, totals = [], 1, set()
    while True:
        answer = (await client.get("/api/v1/tasks", params={**query, "page": page})).json()
        read += [task["id"] for task in answer["data"]]
        totals.add(answer["meta"]["total"])
        if not answer["data"]:
            return read, totals
        page += 1


async def read_by_cursor(client, query):
    read, cursor = [], ""
    while cursor is not None:
        answer = (await client.get("/api/v1/tasks", params={**query, "cursor": cursor})).json()
        read += [task["id"] for task in answer["data"]]
        cursor = answer["meta"]["nextCursor"]
    return read


RUNS = {
    "the newest are hidden": lambda age, _: age < 250,
    "the oldest are hidden": lambda age, _: age >= 150,
    "some are hidden everywhere": lambda _, chance: chance.random() < 0.5,
    "a run in the middle is hidden": lambda age, _: 5 <= age < 250,
    "nearly all are hidden": lambda _, chance: chance.random() < 0.98,
    "none are hidden": lambda _, __: False,
}


@pytest.mark.parametrize("run", RUNS)
async def test_pages_cursors_and_totals_show_what_is_not_hidden_once_and_in_order(
    client, db, account, projects, plant, run
):
    chance = random.Random(7)  # noqa: S311 - a fixed course of events
    *shown, hidden = projects
    await plant(
        (
            age - age % 2,  # two of each moment
            hidden if RUNS[run](age, chance) else chance.choice([*shown, None]),
            chance.choice(["TODO", "TODO", "DONE"]),
            chance.choices(["LOW", "HIGH", "URGENT"], [10, 10, 1])[0],
        )
        for age in range(400)
    )
    filters = ({}, {"status": "TODO"}, {"priority": "URGENT"}, {"status": "DONE", "priority": "HIGH"})
    for query, sort in product(filters, ("-createdAt", "createdAt")):
        asked = {**query, "sort": sort, "perPage": 7}
        rows = await expected(db, account, asked)
        assert await read_by_page(client, asked) == (rows, {len(rows)}), asked
        assert await read_by_cursor(client, asked) == rows, asked
    for sort in ("dueDate", "-dueDate", "-priority"):
        asked = {"sort": sort, "perPage": 50}
        rows = await expected(db, account, asked)
        assert await read_by_page(client, asked) == (rows, {len(rows)}), asked
    for query, rows in (({"projectId": hidden}, []), ({"q": "report"}, await expected(db, account, {}))):
        assert await read_by_page(client, {**query, "perPage": 50}) == (rows, {len(rows)})


def visited(plan) -> int:
    """How many rows a plan has touched, those that it left out too."""
    here = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    own = 0 if "Plans" in plan and plan["Node Type"] != "Bitmap Heap Scan" else here * plan["Actual Loops"]
    return round(own + sum(visited(part) for part in plan.get("Plans", ())))


@pytest.mark.parametrize("query", [{}, {"sort": "createdAt"}, {"status": "TODO"}, {"page": 5}, {"cursor": True}])
async def test_the_tasks_of_a_hidden_project_are_not_walked_over(db, account, projects, plant, query):
    first, other, hidden = projects
    await plant((60_000 + n, project, "TODO", "LOW") for n in range(400) for project in (first, other, None))
    await plant((200_000 + n, hidden, "TODO", "LOW") for n in range(100))
    await db.execute(
        "INSERT INTO api.tasks (id, workspace_id, title, status, priority, project_id, version, created_by, created_at,"
        " updated_at) SELECT gen_random_uuid(), $1, 'hidden', 'TODO', 'LOW', $2, 1, $3, now() - n * interval '1 s', now()"
        " FROM generate_series(1, $4) n",
        account.workspace_id,
        hidden,
        account.user_id,
        HIDDEN_TASKS,
    )
    await db.execute("VACUUM (ANALYZE) api.tasks")
    await db.execute(f"SET random_page_cost = {SERVER_SETTINGS['random_page_cost']}")
    begun = query.get("cursor", False)
    asked = ListTasks.model_validate({} if begun else query)
    question = Question.of(account.workspace_id, asked)
    reach = asked.page * asked.per_page
    place = {"created_at": utc_now() - timedelta(seconds=2), "after": UUID(int=0)} if begun else {}
    values = {
        **question.values,
        **place,
        "limit": asked.per_page,
        "offset": asked.offset,
        **around.depths(question, reach)[-1],
    }
    for statement in (around.page(question, begun=begun), around.total(question)):
        arguments = [values[name] for name in statement.names]
        plan = json.loads(await db.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", *arguments))[0]["Plan"]
        assert visited(plan) < HIDDEN_TASKS / 4, json.dumps(plan, indent=1)
