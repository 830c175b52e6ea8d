"""What can be looked for, by which keys, and that every way of finding gives the same tasks."""

import json
import random
import re
from datetime import timedelta
from itertools import product
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr, ValidationError

from flowtask_api.http.paging import Place
from flowtask_api.tasks import searching
from flowtask_api.tasks.questions import Question
from flowtask_api.tasks.schemas import BY_CREATION, ListTasks, TaskSort
from flowtask_api.tasks.searching import Keys, keys_of
from flowtask_contracts.errors import ValidationFailed
from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.bootstrap.postgres import bootstrap_postgres
from flowtask_kit.ids import utc_now

FOUND = [
    "abc",
    "to do",
    "ab!",
    "!ab",
    "a1!",
    "v1.2",
    "C++11",
    "100%",
    "of_it",
    "a\\bc",
    "e-mail",
    "x y zz",
    "z xx z",
    "AB-",
    "12:30",
    "bab",
    "aaa",
    "Zoë",
    "привет",
    "ПРИВЕТ",
    "日本語",
    "שלום",
    "İstanbul",
    "straße",
    "٣٣٣",
    "ǅungla",
    "né!",
]
SINGLE_LETTERS = ["a b c", "+C+", "--a", "#x #y"]
NOT_FOUND = ["---", "!?!", "C++", "a--", "_%_", "\\\\\\", "😀😀😀", "§§§"]


@pytest.fixture
def here(app):
    """Where the API itself looks."""
    return app.state.resources.direct


def accepted(q: str) -> bool:
    try:
        ListTasks.model_validate({"q": q})
    except ValidationError as error:
        return [each["loc"] for each in error.errors()] != [("q",)]
    return True


@pytest.mark.parametrize("q", FOUND)
async def test_what_is_accepted_has_keys_and_is_found(client, here, account, q):
    assert accepted(q)
    assert (await keys_of(here, account.workspace_id, q)).values
    await client.post("/api/v1/tasks", json={"title": f"({q})"})
    await client.post("/api/v1/tasks", json={"title": f"{q[:-1]} {q[1:]}"})
    found = (await client.get("/api/v1/tasks", params={"q": q})).json()
    assert [task["title"] for task in found["data"]] == [f"({q})"]
    assert found["meta"]["total"] == 1


@pytest.mark.parametrize("q", NOT_FOUND)
async def test_what_has_no_keys_is_refused(client, here, account, q):
    assert not accepted(q)
    with pytest.raises(ValidationFailed):
        await keys_of(here, account.workspace_id, q)
    answer = await client.get("/api/v1/tasks", params={"q": q})
    assert answer.status_code == 400
    [detail] = answer.json()["error"]["details"]
    assert (detail["field"], searching.NEEDED in detail["message"]) == ("q", True)


@pytest.mark.parametrize("q", SINGLE_LETTERS)
async def test_single_letters_are_refused_though_there_are_keys_of_how_words_begin(here, account, q):
    assert not accepted(q)
    assert (await keys_of(here, account.workspace_id, q)).values


@pytest.mark.parametrize("seed", [1, None])
async def test_a_task_has_every_key_of_every_text_in_it_whatever_stands_around_that(here, db, seed):
    seed = seed or random.randrange(2**32)  # noqa: S311
    drawn = random.Random(seed)  # noqa: S311
    workspace_id = uuid4()

    def text(least, most):
        return "".join(drawn.choices("abAB zé日1-_'", k=drawn.randint(least, most)))

    sought = (*FOUND, *SINGLE_LETTERS, *(text(3, 12) for _ in range(400)))
    asked, around = [], []
    for q in sought:
        try:
            keys = await keys_of(here, workspace_id, q)
        except ValidationFailed:
            continue
        for _ in range(10):
            asked.append(json.dumps(keys.values))
            around.append(f"{text(0, 3)}{q}{text(0, 3)}")
    missing = await db.fetch(
        "SELECT t.searched, t.keys FROM unnest($1::text[], $2::text[]) t (searched, keys) WHERE NOT"
        " api.search_keys($3, lower(t.searched)) @> translate(t.keys, '[]', '{}')::bigint[]",
        around,
        asked,
        workspace_id,
    )
    assert len(around) > 2_000
    assert not missing, (seed, missing[:3])


async def test_keys_of_one_workspace_are_not_those_of_another(here):
    one, other = [await keys_of(here, uuid4(), "quarterly report") for _ in range(2)]
    assert not {*one.values} & {*other.values}


@pytest.fixture
def plant(db, account):
    """Puts tasks with these titles into a workspace, a minute between one and the next, the newest first."""

    async def put(titles, workspace_id=account.workspace_id):
        now = utc_now()
        await db.executemany(
            "INSERT INTO api.tasks (id, workspace_id, title, status, priority, due_date, version, created_by, created_at,"
            " updated_at) VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $8)",
            [
                (
                    uuid4(),
                    workspace_id,
                    title,
                    "TODO" if n % 3 else "DONE",
                    ("LOW", "HIGH", "URGENT")[n % 7 % 3],
                    None if n % 4 == 0 else now + timedelta(days=n % 5),
                    account.user_id,
                    now - timedelta(minutes=n),
                )
                for n, title in enumerate(titles)
            ],
        )

    return put


@pytest.mark.parametrize(
    ("sort", "query", "few"), list(product(TaskSort, [{}, {"status": "TODO"}], [0, 1, 9, 10_000])), ids=str
)
async def test_every_way_of_finding_gives_what_the_order_of_the_list_says(here, account, plant, sort, query, few):
    await plant([f"{'Needle' if n % 5 in (0, 2) else 'needful'} {n}" for n in range(60)])
    await plant(["Needle"] * 5, uuid4())
    keys = await keys_of(here, account.workspace_id, "NEEDLE")
    everything = Question.of(account.workspace_id, ListTasks(sort=sort, **query))
    listed = await everything.page.all(here, {**everything.values, "limit": 100, "offset": 0})
    expected = [row["id"] for row in listed if row["title"].startswith("Needle")]
    assert len(expected) == (24 if not query else 16)

    question = Question.of(account.workspace_id, ListTasks(q="NEEDLE", sort=sort, **query), keys)
    values = {**question.values, "few": few}
    for limit, offset in ((7, 0), (7, 7), (20, 20), (100, 0), (5, 50)):
        rows = await question.page.all(here, {**values, "limit": limit, "offset": offset})
        assert [row["id"] for row in rows] == expected[offset : offset + limit]
    assert (await question.total.first(here, values))["total"] == len(expected)
    if sort in BY_CREATION:
        last = next(row for row in listed if row["id"] == expected[9])
        place = question.place(Place(last["created_at"], last["id"], descending=sort is TaskSort.NEWEST).encoded())
        rows = await question.continued(begun=True).all(here, {**values, **place, "limit": 6, "offset": 0})
        assert [row["id"] for row in rows] == expected[10:16]


def read(plan, name=None):
    """Whether a named part of a plan has read the table."""
    if name is None or plan.get("Subplan Name") == f"CTE {name}":
        return ("Relation Name" in plan and plan["Actual Loops"] > 0) or any(
            read(part) for part in plan.get("Plans", ())
        )
    return any(read(part, name) for part in plan.get("Plans", ()))


@pytest.mark.parametrize(
    ("few", "limit", "ways"),
    [(10_000, 20, {"some"}), (5, 20, {"some", "near"}), (0, 20, {"near"}), (0, 90, {"near", "every"})],
)
async def test_lists_are_walked_along_where_many_have_the_text_and_all_are_read_where_that_was_not_enough(
    db, here, account, plant, few, limit, ways
):
    await plant(["needle"] * 60)
    keys = await keys_of(here, account.workspace_id, "needle")
    question = Question.of(account.workspace_id, ListTasks(q="needle"), keys)
    values = {**question.values, "few": few, "limit": limit, "offset": 0}
    statement = question.page
    arguments = [values[name] for name in statement.names]
    plan = json.loads(await db.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", *arguments))[0]["Plan"]
    assert {name for name in ("some", "near", "every") if read(plan, name)} == ways


async def test_what_is_in_many_tasks_is_not_looked_up_once_that_was_counted(client, db, here, account, plant):
    await db.execute("DELETE FROM api.tasks")  # of other tests: shares are shares of all tasks
    await plant([f"report {'seldom' if n == 70 else ''}" for n in range(100)])
    report = await keys_of(here, account.workspace_id, "report")
    assert report.rare
    assert len(report.values) == 4
    await db.execute("ANALYZE api.tasks")
    assert await keys_of(here, account.workspace_id, "report") == Keys((), rare=False)
    both = await keys_of(here, account.workspace_id, "report seldom")
    assert both.values
    assert not {*both.values} & {*report.values}
    for q, total in (("report", 100), ("port seld", 1), ("nothing", 0)):
        found = (await client.get("/api/v1/tasks", params={"q": q})).json()
        assert (found["meta"]["total"], len(found["data"])) == (total, min(total, 20))


async def test_letters_and_digits_of_ascii_are_what_the_database_takes_for_such(db):
    rows = await db.fetch("SELECT n FROM generate_series(1, 127) n WHERE extensions.show_trgm(chr(n)) <> '{}'")
    assert {chr(row["n"]) for row in rows} == {chr(n) for n in range(1, 128) if re.match(r"[^\W_]", chr(n))}


@pytest.fixture
async def knowing_ascii_only(postgres_server):
    """A database whose LC_CTYPE is C."""
    server = await asyncpg.connect(postgres_server.url())
    await server.execute("DROP DATABASE IF EXISTS ascii_only")
    await server.execute(
        "CREATE DATABASE ascii_only TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_CTYPE 'C'"
    )
    await bootstrap_postgres(
        postgres_server.url("ascii_only"), FLOWTASK, {each.name: SecretStr("secret") for each in FLOWTASK.services}
    )
    connection = await asyncpg.connect(postgres_server.url("ascii_only", user="flowtask_api", password="secret"))
    yield connection
    await connection.close()
    await server.execute("DROP DATABASE ascii_only")
    await server.close()


async def test_a_database_that_knows_only_ascii_refuses_other_letters_instead_of_reading_every_task(
    knowing_ascii_only, here
):
    for q in ("привет", "日本語", "éèê"):
        assert (await keys_of(here, UUID(int=1), q)).values
        with pytest.raises(ValidationFailed) as refused:
            await keys_of(Plain(knowing_ascii_only), UUID(int=1), q)
        assert refused.value.details[0].field == "q"
    for q in ("Zoë", "to do"):
        assert (await keys_of(Plain(knowing_ascii_only), UUID(int=1), q)).values


class Plain:
    """A connection as statements are run on it."""

    def __init__(self, connection):
        self._connection = connection

    async def fetch(self, sql, *arguments, anew=False):
        assert not anew
        return await self._connection.fetch(sql, *arguments)
