"""What can be looked for is what the trigram index of a real PostgreSQL can find."""

import json
import re

import asyncpg
import pytest
from pydantic import SecretStr, ValidationError

from flowtask_api.tasks import searching
from flowtask_api.tasks.listing import Question
from flowtask_api.tasks.schemas import ListTasks
from flowtask_contracts.errors import ValidationFailed
from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.bootstrap.postgres import bootstrap_postgres

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
    "AB-",
    "12:30",
]
FOUND_IN_ALL_SCRIPTS = ["Zoë", "привет", "ПРИВЕТ", "日本語", "שלום", "İstanbul", "straße", "٣٣٣", "ǅungla", "né!"]
SINGLE_LETTERS = ["a b c", "+C+", "--a", "#x #y"]
NOT_FOUND = ["---", "!?!", "C++", "a--", "_%_", "\\\\\\", "😀😀😀", "§§§"]

ROWS = 500


@pytest.fixture
async def indexed(db):
    """Rows in which there is no word at all, with an index by trigrams and nothing else to find them by."""
    await db.execute("SET search_path = extensions, pg_temp; SET enable_seqscan = off; SET enable_indexscan = off")
    await db.execute("CREATE TEMP TABLE signs (sign text)")
    await db.execute("INSERT INTO signs SELECT repeat('.', 1 + n % 7) FROM generate_series(1, $1) n", ROWS)
    await db.execute("CREATE INDEX ON signs USING gin (sign gin_trgm_ops)")
    await db.execute("ANALYZE signs")

    async def read(q: str) -> int:
        """How many rows the index gives for a search."""
        pattern = Question.of(None, ListTasks.model_construct(q=q)).values["searched"]
        explain = "EXPLAIN (ANALYZE, FORMAT JSON) SELECT FROM signs WHERE sign LIKE lower($1)"
        plan = json.loads(await db.fetchval(explain, pattern))[0]["Plan"]
        assert plan["Node Type"] == "Bitmap Heap Scan", plan
        return int(plan["Plans"][0]["Actual Rows"])

    return read


def accepted(q: str) -> bool:
    try:
        ListTasks.model_validate({"q": q})
    except ValidationError as error:
        return [each["loc"] for each in error.errors()] != [("q",)]
    return True


@pytest.mark.parametrize("q", FOUND + FOUND_IN_ALL_SCRIPTS)
async def test_what_is_accepted_the_index_finds_without_reading_every_row(client, indexed, q):
    assert accepted(q)
    assert await indexed(q) == 0
    await client.post("/api/v1/tasks", json={"title": f"({q})"})
    found = (await client.get("/api/v1/tasks", params={"q": q})).json()
    assert [task["title"] for task in found["data"]] == [f"({q})"]


@pytest.mark.parametrize("q", NOT_FOUND)
async def test_what_the_index_would_read_every_row_for_is_refused(client, indexed, q):
    assert not accepted(q)
    assert await indexed(q) == ROWS
    answer = await client.get("/api/v1/tasks", params={"q": q})
    assert answer.status_code == 400
    [detail] = answer.json()["error"]["details"]
    assert (detail["field"], searching.NEEDED in detail["message"]) == ("q", True)


@pytest.mark.parametrize("q", SINGLE_LETTERS)
async def test_single_letters_are_refused_though_the_index_knows_how_words_begin(indexed, q):
    assert not accepted(q)
    assert await indexed(q) == 0


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
    knowing_ascii_only, app
):
    here, there = app.state.resources.direct, knowing_ascii_only
    for q in ("привет", "日本語", "éèê"):
        await searching.require_known(here, q)
        with pytest.raises(ValidationFailed) as refused:
            await searching.require_known(Plain(there), q)
        assert refused.value.details[0].field == "q"
    for q in ("Zoë", "to do"):
        await searching.require_known(Plain(there), q)


class Plain:
    """A connection as statements are run on it."""

    def __init__(self, connection):
        self._connection = connection

    async def fetchrow(self, sql, *arguments, anew=False):
        assert not anew
        return await self._connection.fetchrow(sql, *arguments)
