from datetime import timedelta
from uuid import UUID

import pytest

from flowtask_kit.ids import utc_now


@pytest.fixture
def plant(db, account):
    """Puts tasks into the workspace, the first the oldest, and returns their titles newest first."""

    async def put(number: int, **columns) -> list[str]:
        base, titles = utc_now() - timedelta(days=1), [f"t{index:05}" for index in range(number)]
        values = {"status": "TODO", "priority": "MEDIUM", "due_date": None, **columns}
        await db.executemany(
            "INSERT INTO api.tasks (id, workspace_id, title, status, priority, due_date, version, created_by,"
            " created_at, updated_at) VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, 1, $6, $7, $7)",
            [
                (account.workspace_id, title, *values.values(), account.user_id, base + timedelta(seconds=index // 2))
                for index, title in enumerate(titles)
            ],
        )
        rows = await db.fetch(
            "SELECT title FROM api.tasks WHERE workspace_id = $1 ORDER BY created_at DESC, id DESC",
            account.workspace_id,
        )
        return [row["title"] for row in rows]

    return put


async def titles(client, **query) -> list[str]:
    answer = await client.get("/api/v1/tasks", params=query)
    assert answer.status_code == 200, answer.text
    return [task["title"] for task in answer.json()["data"]]


async def test_an_empty_list_has_its_meta(client):
    assert (await client.get("/api/v1/tasks")).json() == {
        "data": [],
        "meta": {"page": 1, "perPage": 20, "total": 0},
        "error": None,
    }


async def test_pages_come_newest_first_with_the_total(client, plant):
    expected = await plant(47)

    for page, rows in ((1, expected[:20]), (2, expected[20:40]), (3, expected[40:]), (4, [])):
        answer = (await client.get("/api/v1/tasks", params={"page": page})).json()
        assert [task["title"] for task in answer["data"]] == rows
        assert answer["meta"] == {"page": page, "perPage": 20, "total": 47}
    answer = (await client.get("/api/v1/tasks", params={"page": 2, "perPage": 30})).json()
    assert [task["title"] for task in answer["data"]] == expected[30:]


async def test_the_total_is_exact_to_10000_and_says_so_beyond(client, plant):
    await plant(10_000)
    meta = (await client.get("/api/v1/tasks?perPage=1")).json()["meta"]
    assert meta == {"page": 1, "perPage": 1, "total": 10_000}

    await plant(1)
    meta = (await client.get("/api/v1/tasks?perPage=1")).json()["meta"]
    assert meta == {"page": 1, "perPage": 1, "total": 10_000, "totalCapped": True}
    assert (await client.get("/api/v1/tasks?page=100&perPage=100")).json()["data"][0]["title"]


@pytest.mark.parametrize("sort", ["-createdAt", "createdAt"])
async def test_a_cursor_reads_every_row_once_while_rows_are_added(client, plant, sort):
    expected = await plant(25)
    read, cursor = [], ""
    while cursor is not None:
        answer = (await client.get("/api/v1/tasks", params={"cursor": cursor, "perPage": 10, "sort": sort})).json()
        assert set(answer["meta"]) == {"perPage", "nextCursor"}
        read += [task["title"] for task in answer["data"]]
        cursor = answer["meta"]["nextCursor"]
        if len(read) < 20:
            await client.post("/api/v1/tasks", json={"title": "came in between"})

    came_in_between = [title for title in read if title == "came in between"]
    assert [title for title in read if title in expected] == (expected if sort == "-createdAt" else expected[::-1])
    assert len(read) == 25 + len(came_in_between)


async def test_filters_apply_to_rows_and_total(client, account):
    project = (await client.post("/api/v1/projects", json={"name": "P"})).json()["data"]["id"]
    me = str(account.user_id)
    for task in (
        {"title": "a", "status": "DONE", "priority": "HIGH"},
        {"title": "b", "projectId": project, "dueDate": "2027-01-01T00:00:00Z"},
        {"title": "c", "assigneeId": me, "dueDate": "2027-01-02T00:00:00Z", "priority": "HIGH"},
        {"title": "d", "projectId": project, "assigneeId": me, "status": "DONE"},
    ):
        assert (await client.post("/api/v1/tasks", json=task)).status_code == 201

    for query, expected in (
        ({"status": "DONE"}, "da"),
        ({"priority": "HIGH"}, "ca"),
        ({"projectId": project}, "db"),
        ({"assigneeId": me}, "dc"),
        ({"assigneeId": me, "status": "DONE"}, "d"),
        ({"dueBefore": "2027-01-02T00:00:00Z"}, "b"),
        ({"dueAfter": "2027-01-01T01:00:00+01:00"}, "c"),
        ({"dueAfter": "2026-12-31T00:00:00Z", "dueBefore": "2027-01-02T00:00:00.001Z"}, "cb"),
        ({"status": "IN_PROGRESS"}, ""),
    ):
        answer = (await client.get("/api/v1/tasks", params=query)).json()
        assert "".join(task["title"] for task in answer["data"]) == expected, query
        assert answer["meta"]["total"] == len(expected)
        paged = (await client.get("/api/v1/tasks", params={**query, "perPage": 1})).json()
        assert paged["meta"]["total"] == len(expected)
    shown = (await client.get("/api/v1/tasks", params={"projectId": project})).json()["data"]
    assert all(task["project"] == {"id": project, "name": "P"} for task in shown)


async def test_sorting_by_due_date_and_priority(client):
    for title, due, priority in (("a", 2, "LOW"), ("b", None, "URGENT"), ("c", 1, "HIGH"), ("d", 3, "MEDIUM")):
        due_date = due and f"2027-01-0{due}T00:00:00Z"
        await client.post("/api/v1/tasks", json={"title": title, "dueDate": due_date, "priority": priority})

    assert "".join(await titles(client, sort="dueDate")) == "cadb"
    assert "".join(await titles(client, sort="-dueDate")) == "dacb"
    assert "".join(await titles(client, sort="priority")) == "adcb"
    assert "".join(await titles(client, sort="-priority")) == "bcda"
    assert "".join(await titles(client, sort="createdAt")) == "abcd"


async def test_undated_tasks_follow_the_dated_on_every_page(client):
    for title, due in (("a", 2), ("b", None), ("c", 1), ("d", None), ("e", 3)):
        await client.post("/api/v1/tasks", json={"title": title, "dueDate": due and f"2027-01-0{due}T00:00:00Z"})

    for sort, expected in (("dueDate", "caebd"), ("-dueDate", "eacdb")):
        pages = [await titles(client, sort=sort, perPage=2, page=page) for page in (1, 2, 3, 4)]
        assert "".join(title for page in pages for title in page) == expected


async def test_tasks_of_one_priority_stand_by_time_of_creation(client):
    for title, priority in (("a", "LOW"), ("b", "HIGH"), ("c", "LOW"), ("d", "HIGH")):
        await client.post("/api/v1/tasks", json={"title": title, "priority": priority})

    assert "".join(await titles(client, sort="-priority")) == "dbca"
    assert "".join(await titles(client, sort="priority")) == "acbd"
    assert "".join(await titles(client, sort="-priority", priority="HIGH")) == "db"


async def test_a_search_finds_text_in_titles_and_descriptions_whatever_its_case(client, neighbour):
    for title, description in (
        ("Write the Launch announcement", None),
        ("Call Zoë", "about the LAUNCH"),
        ("100% of_it", "a\\bc"),
        ("Other", "x" * 1000 + "beyond"),
    ):
        await client.post("/api/v1/tasks", json={"title": title, "description": description, "priority": "HIGH"})
    await neighbour.post("/api/v1/tasks", json={"title": "launch of somebody else"})

    for q, expected in (
        ("launch", ["Call Zoë", "Write the Launch announcement"]),
        ("  LAUNCH ann ", ["Write the Launch announcement"]),
        ("ZOË", ["Call Zoë"]),
        ("100%", ["100% of_it"]),
        ("of_it", ["100% of_it"]),
        ("a\\bc", ["100% of_it"]),
        ("100_", []),
        ("xxx%", []),
        ("beyond", []),
        ("' OR 1=1 --", []),
    ):
        assert await titles(client, q=q) == expected, q
        assert await titles(client, q=q, cursor="") == expected, q
        answer = (await client.get("/api/v1/tasks", params={"q": q, "perPage": 1, "priority": "HIGH"})).json()
        assert answer["meta"]["total"] == len(expected)


async def test_tasks_of_a_hidden_project_are_not_listed_nor_counted(client, db):
    project = (await client.post("/api/v1/projects", json={"name": "P"})).json()["data"]["id"]
    task = (await client.post("/api/v1/tasks", json={"title": "in", "projectId": project})).json()["data"]
    await client.post("/api/v1/tasks", json={"title": "out"})
    async with db.transaction():  # the lock keeps the deletion from going on
        await db.execute("UPDATE api.projects SET deleted_at = now() WHERE id = $1", UUID(project))
        before = await client.get(f"/api/v1/tasks/{task['id']}")
    assert before.status_code == 200

    for path in (f"/api/v1/tasks/{task['id']}", f"/api/v1/projects/{project}"):
        assert (await client.get(path)).status_code == 404
        assert (await client.patch(path, json={})).status_code == 404
        assert (await client.delete(path)).status_code == 404
    answer = (await client.get("/api/v1/tasks")).json()
    assert [task["title"] for task in answer["data"]] == ["out"]
    assert answer["meta"]["total"] == 1
    assert (await client.post("/api/v1/tasks", json={"title": "x", "projectId": project})).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=1.5",
        "page=" + "9" * 30,
        "page=" + "9" * 5000,
        "perPage=0",
        "perPage=101",
        "page=101&perPage=100",
        "page=10001&perPage=1",
        "page=",
        "page=1&cursor=",
        "cursor=abc",
        "cursor=%00",
        "cursor=%ff%fe",
        "cursor=AX____________________________________",
        "cursor=&sort=dueDate",
        "sort=title",
        "q=ab",
        "q=%20%20%20",
        "q=a%00bc",
        "q=" + "a" * 101,
        "q=---",
        "q=C%2B%2B",
        "q=!?!",
        "q=a%20b%20c",
        "q=%F0%9F%98%80%F0%9F%98%80%F0%9F%98%80",
        "sort=",
        "status=done",
        "status=%00",
        "priority=1",
        "projectId=1",
        "assigneeId=%ED%A0%80",
        "dueBefore=tomorrow",
        "dueBefore=1700000000",
        "dueAfter=2026-01-01",
        "dueAfter=2026-01-01T00:00:00",
        "dueAfter=99999-01-01T00:00:00Z",
        "due_after=2026-01-01T00:00:00Z",
        "per_page=5",
        "colour=red",
        "%00=1",
        "%ff=1",
        "statu%ED%A0%80s=TODO",
    ],
)
async def test_a_query_that_is_not_understood_is_400(client, query):
    answer = await client.get(f"/api/v1/tasks?{query}")

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert answer.json()["error"]["details"]
