"""The statements that lists and syncs run, and what with, for `python -m bench lists`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, cast
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from flowtask_api.http.paging import DEEPEST, Place
from flowtask_api.sync.queries import CHANGES, HORIZON, PROJECTS, TASKS
from flowtask_api.tasks import around
from flowtask_api.tasks.questions import Question
from flowtask_api.tasks.schemas import BY_CREATION, ListTasks, TaskSort
from flowtask_api.tasks.searching import keys_of
from flowtask_kit.database.direct import Direct
from flowtask_kit.database.prepared import Prepared

BAR_MS = 50.0
SEARCH_TOTAL_MS = 250.0
"""What it may take to look at so many tasks that 10,001 with a text are found: five hundred times as many as make a page of 20."""
STEP_MS = 0.002
"""What stepping over one task of a hidden project may take, where lists are not read around it."""
LARGE = UUID("019aa000-0000-7000-8000-000000000001")
HIDDEN = UUID("dddddddd-dddd-7ddd-8ddd-000000000001")

WORDS = {1: "5 %", 2: "2.4 %", 10: "0.5 %", 30: "0.25 %", 100: "0.12 %", 300: "0.06 %", 2900: "0.02 %"}
"""Words of the titles, by their number, and which share of the tasks has them."""
_LETTERS = str.maketrans("0123456789", "ghijklmnop")

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True)
class Case:
    """One statement of the API and what it is run with; some may take `bar` milliseconds."""

    name: str
    statement: Prepared
    values: Mapping[str, Any]
    bar: float = BAR_MS


class Looking:
    """A connection on which the API makes the keys of a search."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def question(self, asked: ListTasks) -> Question:
        """The question of a list, as the API asks it."""
        keys = None if asked.q is None else await keys_of(cast("Direct", self), LARGE, asked.q)
        return Question.of(LARGE, asked, keys)

    async def fetch(self, sql: str, *values: Any, anew: bool = False) -> list[asyncpg.Record]:
        """The rows of a statement."""
        assert not anew
        return await self._connection.fetch(sql, *values)


async def listing(looking: Looking, tasks: int) -> list[Case]:
    """Lists by page, their totals, and lists by cursor."""
    made = []
    project, member = numbered("a", 6), numbered("b", 6)
    for name, query in {
        "newest": {},
        "oldest": {"sort": "createdAt"},
        "deepest page": {"page": 500},
        "status=TODO": {"status": "TODO"},
        "status=IN_PROGRESS, deepest": {"status": "IN_PROGRESS", "page": 500},
        "priority=URGENT (0.01 %)": {"priority": "URGENT"},
        "priority=HIGH": {"priority": "HIGH"},
        "status=DONE, priority=URGENT": {"status": "DONE", "priority": "URGENT"},
        "projectId": {"projectId": project},
        "projectId, status=DONE": {"projectId": project, "status": "DONE"},
        "assigneeId": {"assigneeId": member},
        "assigneeId, status=IN_PROGRESS": {"assigneeId": member, "status": "IN_PROGRESS"},
        "dueBefore (few)": {"dueBefore": "2026-01-01T01:00:00Z"},
        "dueBefore (half)": {"dueBefore": "2026-08-01T00:00:00Z"},
        "due within a day": {"dueAfter": "2026-06-01T00:00:00Z", "dueBefore": "2026-06-02T00:00:00Z"},
        "sort=dueDate": {"sort": "dueDate"},
        "sort=dueDate, deepest": {"sort": "dueDate", "page": 500},
        "sort=-dueDate": {"sort": "-dueDate"},
        "sort=-dueDate, deepest": {"sort": "-dueDate", "page": 500},
        "sort=-priority": {"sort": "-priority"},
        "sort=priority": {"sort": "priority"},
        "priority=URGENT, sort=dueDate": {"priority": "URGENT", "sort": "dueDate"},
        "sort=-priority, status=TODO": {"sort": "-priority", "status": "TODO"},
        "q=zeppelin (10 tasks)": {"q": "zeppelin"},
        "q=quarterly (0.1 %)": {"q": "quarterly"},
        "q=quarterly write the (0.1 %, common parts)": {"q": "quarterly write the"},
        "q=quarterly, sort=dueDate": {"q": "quarterly", "sort": "dueDate"},
        "q=quarterly, sort=-dueDate": {"q": "quarterly", "sort": "-dueDate"},
        "q=quarterly, status=DONE": {"q": "quarterly", "status": "DONE"},
        **{f"q={word(number)} ({share})": {"q": word(number)} for number, share in WORDS.items()},
        "q=report (all)": {"q": "report"},
        "q=nothing like it": {"q": "nothing like it"},
    }.items():
        asked = ListTasks.model_validate(query)
        question = await looking.question(asked)
        page = {**question.values, "limit": asked.per_page, "offset": asked.offset}
        made.append(Case(name, question.page, page))
        total = BAR_MS if asked.q is None else SEARCH_TOTAL_MS
        made.append(Case(f"  its total, to {DEEPEST:,}", question.total, question.values, total))
        if asked.sort in BY_CREATION and "page" not in query:
            values = {**question.values, "limit": asked.per_page + 1, "offset": 0, **_middle(question, tasks)}
            made.append(Case("  by cursor, in the middle", question.continued(begun=True), values))
    return [*made, _refused()]


def _refused() -> Case:
    """What a search without letters would take, were it not refused."""
    try:
        ListTasks.model_validate({"q": "---"})
    except ValidationError:
        question = Question.of(LARGE, ListTasks.model_construct(q="---"))
        return Case(
            "q=---, if it were not refused", question.page, {**question.values, "limit": 20, "offset": 0}, float("inf")
        )
    raise AssertionError("searches without letters are to be refused")


async def hiding(looking: Looking, tasks: int) -> list[Case]:
    """Lists by page, totals and a cursor while the project with the newest tenth of all tasks is being deleted."""
    made = []
    hidden = tasks // 10
    stepping = BAR_MS + hidden * STEP_MS
    for name, query in {
        "newest": {},
        "oldest": {"sort": "createdAt"},
        "page 10": {"page": 10},
        "deepest page": {"page": 500},
        "status=TODO": {"status": "TODO"},
        "priority=HIGH": {"priority": "HIGH"},
        "priority=URGENT (0.01 %)": {"priority": "URGENT"},
        "projectId, of the hidden one": {"projectId": HIDDEN},
        "projectId, of another": {"projectId": numbered("a", 6)},
        "assigneeId": {"assigneeId": numbered("b", 6)},
        "sort=dueDate": {"sort": "dueDate"},
        "sort=-dueDate": {"sort": "-dueDate"},
        "sort=-priority": {"sort": "-priority"},
        "q=quarterly (0.1 %)": {"q": "quarterly"},
        "q=report (all)": {"q": "report"},
    }.items():
        asked = ListTasks.model_validate(query)
        question = await looking.question(asked)
        values = {**question.values, "limit": asked.per_page, "offset": asked.offset}
        reach = asked.page * asked.per_page
        if around.goes_around(question, reach):
            page = around.page(question, begun=False)
            made.append(Case(f"{name}, around", page, {**values, **around.depths(question, reach)[0]}))
        else:
            made.append(Case(f"{name}, over", question.page_over, values, stepping))
        bar = BAR_MS if question.shape <= around.IN_INDEX else stepping
        made.append(Case(f"  its total, to {DEEPEST:,}", around.total(question), question.values, bar))
    question = Question.of(LARGE, ListTasks())
    depths = around.depths(question, 21)[0]
    values = {**question.values, "limit": 21, "offset": 0, **depths, **_middle(question, 2 * (tasks - hidden))}
    made.append(Case("  by cursor, at the newest that is not hidden", around.page(question, begun=True), values))
    return made


async def syncing(connection: Connection) -> list[Case]:
    """Where a sync stands, what has changed, and the changed rows themselves."""
    here = {"workspace_id": LARGE}
    walk = {**here, "after": UUID(int=0), "buried_from": 0, "limit": 501}
    made = [
        Case("sync, where it stands", HORIZON, {}),
        Case("sync, from the beginning", CHANGES, {**walk, "at": 0}),
        Case("sync, nothing new", CHANGES, {**walk, "at": 1 << 60}),
    ]
    for table, statement in (("tasks", TASKS), ("projects", PROJECTS)):
        some = f"SELECT id FROM api.{table} WHERE workspace_id = $1 ORDER BY md5(id::text) LIMIT 500"  # noqa: S608
        ids = [row["id"] for row in await connection.fetch(some, LARGE)]
        made.append(Case(f"sync, {len(ids)} {table}", statement, {**here, "ids": ids}))
    return made


def _middle(question: Question, tasks: int) -> Mapping[str, Any]:
    """The place of the task half way through."""
    place = Place(_moment(tasks // 2), UUID(int=tasks // 2), descending=question.sort == TaskSort.NEWEST)
    return question.place(place.encoded())


def word(number: int) -> str:
    """The beginning of a word that tasks are filled with: the lower its number, the more have it."""
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest().translate(_LETTERS)[:7]


def numbered(letter: str, number: int) -> UUID:
    """The id of a project (a) or of a member (b)."""
    return UUID(f"{letter * 12}7{letter * 3}8{letter * 3}{number:012x}")


def _moment(number: int) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=6 * number)
