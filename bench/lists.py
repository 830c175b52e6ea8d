"""What lists cost the database in a workspace of ten million tasks: `python -m bench lists`.

Fills one workspace, beside five thousand small ones, in a PostgreSQL of its own; then explains the very statements that
the API runs, each several times after a first, and prints the median of planning and execution. `--explain FILE` writes
the plans down. Ends with 1 when one takes longer than 50 ms.
"""

import argparse
import asyncio
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from flowtask_api.http.paging import DEEPEST, Place
from flowtask_api.sync.queries import CHANGES
from flowtask_api.tasks.listing import Question
from flowtask_api.tasks.schemas import ListTasks
from flowtask_kit.database.engine import SERVER_SETTINGS
from flowtask_kit.database.prepared import Prepared
from flowtask_local.services import SERVICES
from flowtask_local.stack import Stack
from flowtask_local.wiring import DATABASE

INTRODUCTION = """\
# What PostgreSQL does for lists in a workspace of ten million tasks

Written by `python -m bench lists --explain docs/list-plans.md`: the statements of the API, planned for their values, the median
of seven runs after a first. Totals and cursor pages follow the list that they belong to."""
BAR_MS = 50.0
RUNS = 7
LARGE = UUID("019aa000-0000-7000-8000-000000000001")
PROJECTS, MEMBERS, SMALL = 200, 50, 5_000

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_FILL = """
    WITH words AS (
        SELECT array_agg(translate(md5(n::text), '0123456789', 'ghijklmnop')) AS word FROM generate_series(1, 3000) n
    ), drawn AS (
        SELECT n, random() AS s, random() AS p, random() AS d, random() AS w FROM generate_series($2::bigint, $3::bigint) n
    )
    INSERT INTO api.tasks (id, workspace_id, title, description, status, priority, due_date, project_id, assignee_id,
                           version, created_by, created_at, updated_at)
    SELECT lpad(to_hex(n), 32, '0')::uuid, $1,
           CASE WHEN n % 1000 = 0 THEN 'quarterly ' ELSE '' END || CASE WHEN n % 1000003 = 0 THEN 'zeppelin ' ELSE '' END
           || 'Write the ' || left(word[1 + (2999 * w * w * w)::int], 7) || ' report for '
           || left(word[1 + (2999 * s * w)::int], 6),
           CASE WHEN n % 5 = 0 THEN 'See ' || word[1 + (2999 * d)::int] || ' and ' || word[1 + (2999 * s)::int] END,
           CASE WHEN s < 0.6 THEN 'TODO' WHEN s < 0.9 THEN 'DONE' ELSE 'IN_PROGRESS' END,
           CASE WHEN p < 0.0001 THEN 'URGENT' WHEN p < 0.2 THEN 'HIGH' WHEN p < 0.7 THEN 'MEDIUM' ELSE 'LOW' END,
           CASE WHEN d < 0.6 THEN timestamptz '2026-01-01' + interval '730 days' * d END,
           CASE WHEN n % 3 = 0 THEN ('aaaaaaaa-aaaa-7aaa-8aaa-' || lpad(to_hex(n % $4::bigint), 12, '0'))::uuid END,
           CASE WHEN n % 2 = 0 THEN ('bbbbbbbb-bbbb-7bbb-8bbb-' || lpad(to_hex(n % $5::bigint), 12, '0'))::uuid END,
           1, gen_random_uuid(), timestamptz '2024-01-01' + interval '6 seconds' * n, now()
    FROM drawn, words
"""


@dataclass(frozen=True)
class Case:
    """One statement of the API and what it is run with."""

    name: str
    statement: Prepared
    values: Mapping[str, Any]


def cases() -> list[Case]:
    """Lists by page, their totals, lists by cursor, and sync."""
    made = []
    project, member = _numbered("a", 6), _numbered("b", 6)
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
        "sort=-priority, status=TODO": {"sort": "-priority", "status": "TODO"},
        "q=zeppelin (10 tasks)": {"q": "zeppelin"},
        "q=quarterly (0.1 %)": {"q": "quarterly"},
        "q=report (all)": {"q": "report"},
        "q=nothing like it": {"q": "nothing like it"},
    }.items():
        asked = ListTasks.model_validate(query)
        question = Question.of(LARGE, asked)
        page = {**question.values, "limit": asked.per_page, "offset": asked.offset}
        made.append(Case(name, question.page, page))
        made.append(Case(f"  its total, to {DEEPEST:,}", question.total, question.values))
        if asked.sort in {"createdAt", "-createdAt"} and "page" not in query:
            middle = Place(_moment(5_000_000), UUID(int=5_000_000), descending=asked.sort == "-createdAt").encoded()
            values = {**question.values, "limit": asked.per_page + 1, **question.place(middle)}
            made.append(Case("  by cursor, in the middle", question.after(), values))
    sync = {"workspace_id": LARGE, "after": UUID(int=0), "buried_from": 0, "limit": 101}
    made.append(Case("sync, from the beginning", CHANGES, {**sync, "at": 0}))
    made.append(Case("sync, nothing new", CHANGES, {**sync, "at": 1 << 60}))
    return made


def _numbered(letter: str, number: int) -> UUID:
    return UUID(f"{letter * 12}7{letter * 3}8{letter * 3}{number:012x}")


def _moment(number: int) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=6 * number)


async def fill(connection: Connection, tasks: int) -> None:
    """One large workspace and many small ones; the indexes are built afterwards."""
    indexes = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'api' AND tablename = 'tasks'"
        " AND indexname <> 'pk_tasks'"
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX api.{index['indexname']}")
    for number in range(PROJECTS):
        await connection.execute(
            "INSERT INTO api.projects (id, workspace_id, name, owner_id, version, created_at, updated_at)"
            " VALUES ($1, $2, 'P', $1, 1, now(), now())",
            _numbered("a", number),
            LARGE,
        )
    step = 500_000
    for first in range(1, tasks + 1, step):
        await connection.execute(_FILL, LARGE, first, min(tasks, first + step - 1), PROJECTS, MEMBERS)
    await connection.execute(
        "INSERT INTO api.tasks (id, workspace_id, title, status, priority, version, created_by, created_at, updated_at)"
        " SELECT gen_random_uuid(), ('cccccccc-cccc-7ccc-8ccc-' || lpad(to_hex(n % $1::bigint), 12, '0'))::uuid, 'Task ' || n, 'TODO', 'LOW', 1,"
        " gen_random_uuid(), timestamptz '2025-01-01' + interval '1 minute' * n, now()"
        " FROM generate_series(1, 100 * $1::bigint) n",
        SMALL,
    )
    await connection.execute("SET maintenance_work_mem = '1GB'")
    for index in indexes:
        begun = time.perf_counter()
        await connection.execute(index["indexdef"])
        print(f"  built {index['indexname']} in {time.perf_counter() - begun:.0f} s", flush=True)
    await connection.execute("VACUUM (ANALYZE) api.tasks")
    await connection.execute("ANALYZE api.projects")


async def explain(connection: Connection, case: Case) -> tuple[float, Any]:
    """The median of planning and execution in milliseconds, and the last plan."""
    values = [case.values[name] for name in case.statement.names]
    times, plan = [], None
    for number in range(RUNS + 1):
        found = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {case.statement.sql}", *values)
        plan = json.loads(found)[0]
        if number:
            times.append(plan["Planning Time"] + plan["Execution Time"])
    text = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {case.statement.sql}", *values)
    return statistics.median(times), "\n".join(row[0] for row in text)


async def measure(url: str, options: argparse.Namespace) -> bool:
    """Fill, explain, print; False when something is over the bar."""
    connection = await asyncpg.connect(url, command_timeout=3600)
    begun = time.perf_counter()
    if not await connection.fetchval("SELECT 1 FROM api.tasks LIMIT 1"):
        await fill(connection, options.tasks)
    size = await connection.fetchval("SELECT pg_size_pretty(pg_total_relation_size('api.tasks'))")
    version = await connection.fetchval("SHOW server_version")
    machine = f"{platform.platform()}, PostgreSQL {version}, {options.tasks:,} tasks, {size} with indexes"
    print(f"  {machine}; filled in {time.perf_counter() - begun:.0f} s", flush=True)
    await connection.close()
    connection = await asyncpg.connect(url, server_settings={**SERVER_SETTINGS, "plan_cache_mode": "force_custom_plan"})
    slow, plans = [], [INTRODUCTION, machine]
    for case in cases():
        median, plan = await explain(connection, case)
        print(f"  {case.name:40}{median:9.2f} ms{'  over' if median > BAR_MS else ''}", flush=True)
        plans.append(f"## {case.name.strip()}: {median:.2f} ms\n\n```text\n{plan}\n```")
        if median > BAR_MS:
            slow.append(case.name)
    if options.explain:
        options.explain.write_text("\n\n".join(plans) + "\n")
    await connection.close()
    return not slow


def main() -> None:
    """Measure in a PostgreSQL of its own."""
    parser = argparse.ArgumentParser(prog="bench lists")
    parser.add_argument("--tasks", type=int, default=10_000_000)
    parser.add_argument("--home", type=Path, help="keep the data in this folder, and use those that are there")
    parser.add_argument("--explain", type=Path, help="write the plans into this file")
    options = parser.parse_args()
    api_only = [spec for spec in SERVICES if spec.name == "api"]
    with (
        tempfile.TemporaryDirectory(prefix="flowtask-bench-") as folder,
        Stack((options.home or Path(folder) / "home").absolute(), services=api_only, durable=False) as stack,
    ):
        stack.start_servers()
        stack.bootstrap()
        stack.migrate()
        met = asyncio.run(measure(stack.postgres.url(DATABASE), options))
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
