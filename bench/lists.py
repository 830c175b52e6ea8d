"""What lists cost the database in a workspace of ten million tasks: `python -m bench lists`.

Fills one workspace, beside five thousand small ones, in a PostgreSQL of its own; then explains the very statements that
the API runs, each several times after a first, and prints the median of planning and execution. `--explain FILE` writes
the plans down. Ends with 1 when one takes longer than 50 ms, or than it may while a project is being deleted.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg

from flowtask_kit.database.engine import SERVER_SETTINGS
from flowtask_local.services import SERVICES
from flowtask_local.stack import Stack
from flowtask_local.wiring import DATABASE

from .list_cases import HIDDEN, LARGE, Case, Connection, Looking, hiding, listing, numbered, syncing

INTRODUCTION = """\
# What PostgreSQL does for lists in a large workspace

Written by `python -m bench lists --explain docs/list-plans.md`: the statements of the API, planned for their values, the median
of seven runs after a first, without the clocks that the plan below each was made with. Totals and cursor pages follow the list that they belong to. With `--parts` only some parts are
measured, and put in the place of what the file had of them, so each says on what it was measured."""
PARTS = {
    "lists": "Lists",
    "hiding": "While a project with the newest tenth of all tasks is being deleted",
    "sync": "Sync",
}
RUNS = 7
PROJECTS, MEMBERS, SMALL = 200, 50, 5_000

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
           CASE WHEN n > $6::bigint THEN $7::uuid WHEN n % 3 = 0 THEN ('aaaaaaaa-aaaa-7aaa-8aaa-' || lpad(to_hex(n % $4::bigint), 12, '0'))::uuid END,
           CASE WHEN n % 2 = 0 THEN ('bbbbbbbb-bbbb-7bbb-8bbb-' || lpad(to_hex(n % $5::bigint), 12, '0'))::uuid END,
           1, gen_random_uuid(), timestamptz '2024-01-01' + interval '6 seconds' * n, now()
    FROM drawn, words
"""


async def fill(connection: Connection, tasks: int) -> None:
    """One large workspace and many small ones; the indexes are built afterwards."""
    indexes = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'api' AND tablename = 'tasks'"
        " AND indexname <> 'pk_tasks'"
    )
    for index in indexes:
        await connection.execute(f"DROP INDEX api.{index['indexname']}")
    for project in (*(numbered("a", number) for number in range(PROJECTS)), HIDDEN):
        await connection.execute(
            "INSERT INTO api.projects (id, workspace_id, name, owner_id, version, created_at, updated_at)"
            " VALUES ($1, $2, 'P', $1, 1, now(), now())",
            project,
            LARGE,
        )
    step = 500_000
    for first in range(1, tasks + 1, step):
        last = min(tasks, first + step - 1)
        await connection.execute(_FILL, LARGE, first, last, PROJECTS, MEMBERS, tasks - tasks // 10, HIDDEN)
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
    """The median of planning and execution in milliseconds, without clocks in every step, and a plan with them."""
    values = [case.values[name] for name in case.statement.names]
    times, plan = [], None
    for number in range(RUNS + 1):
        found = await connection.fetchval(
            f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, FORMAT JSON) {case.statement.sql}", *values
        )
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
    buffers = await connection.fetchval("SHOW shared_buffers")
    machine = (
        f"{platform.platform()}, PostgreSQL {version}, shared_buffers {buffers}, "
        f"{options.tasks:,} tasks, {size} with indexes"
    )
    print(f"  {machine}; filled in {time.perf_counter() - begun:.0f} s", flush=True)
    await connection.close()
    settings = {**SERVER_SETTINGS, "plan_cache_mode": "force_custom_plan", "statement_timeout": "0"}
    connection = await asyncpg.connect(url, server_settings=settings)
    met = True
    for part in options.parts:
        await connection.execute(
            "UPDATE api.projects SET deleted_at = CASE WHEN $2 THEN now() END WHERE id = $1", HIDDEN, part == "hiding"
        )
        print(f"  -- {PARTS[part]}", flush=True)
        plans = [f"## {PARTS[part]}", machine]
        for case in await cases(connection, part, options.tasks):
            median, plan = await explain(connection, case)
            over = median > case.bar
            print(f"  {case.name:46}{median:9.2f} ms{'  over' if over else ''}", flush=True)
            plans.append(f"### {case.name.strip()}: {median:.2f} ms\n\n```text\n{plan}\n```")
            met = met and not over
        if options.explain:
            write(options.explain, PARTS[part], "\n\n".join(plans))
    await connection.execute("UPDATE api.projects SET deleted_at = NULL WHERE id = $1", HIDDEN)
    await connection.close()
    return met


async def cases(connection: Connection, part: str, tasks: int) -> list[Case]:
    """The statements of a part."""
    match part:
        case "lists":
            return await listing(Looking(connection), tasks)
        case "hiding":
            return await hiding(Looking(connection), tasks)
    return await syncing(connection)


def write(file: Path, title: str, plans: str) -> None:
    """Put a part into the file, in the place of what it had of it."""
    parts = dict.fromkeys(PARTS.values(), "")
    if file.exists():
        for old in ("\n" + file.read_text()).split("\n## ")[1:]:
            parts[old.partition("\n")[0]] = f"## {old.strip()}"
    parts[title] = plans
    file.write_text("\n\n".join([INTRODUCTION, *filter(None, (parts[each] for each in PARTS.values()))]) + "\n")


def _quarter_of_memory() -> int:
    """What PostgreSQL's handbook has a server of its own keep of its pages, in MiB."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 // 2**20


def main() -> None:
    """Measure in a PostgreSQL of its own."""
    parser = argparse.ArgumentParser(prog="bench lists")
    parser.add_argument("--tasks", type=int, default=10_000_000)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="measure only these")
    parser.add_argument("--home", type=Path, help="keep the data in this folder, and use those that are there")
    parser.add_argument("--explain", type=Path, help="write the plans into this file")
    options = parser.parse_args()
    api_only = [spec for spec in SERVICES if spec.name == "api"]
    with (
        tempfile.TemporaryDirectory(prefix="flowtask-bench-") as folder,
        Stack(
            (options.home or Path(folder) / "home").absolute(),
            services=api_only,
            durable=False,
            postgres_settings={"shared_buffers": f"{_quarter_of_memory()}MB"},
        ) as stack,
    ):
        stack.start_servers()
        stack.bootstrap()
        stack.migrate()
        met = asyncio.run(measure(stack.postgres.url(DATABASE), options))
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
