"""(f) A million retries that wait: what new events cost beside them, and what claiming costs the database.

Two hundred endpoints with five thousand deliveries each. Of sixty endpoints, forty of which refuse connections and twenty of which
hang, all of it is due; the rest is due in an hour or more. Rows are made by set, as the service would have written them.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from flowtask_kit.database.engine import SERVER_SETTINGS
from flowtask_kit.ids import utc_now
from flowtask_webhook_dispatcher.deliveries.identity import delivery_id
from flowtask_webhook_dispatcher.dispatch import statements

from . import cpu, events
from .drains import PROCESSES, Drain, drained
from .report import Bar, Section, spread
from .world import DISPATCHER, Workspace, World

WORKSPACES, EACH, DEAD_EACH, HANGING_EACH = 10, 20, 6, 2
EVENTS = 5_000
"""Of each workspace, each to all of its endpoints."""
NEW = 5_000
"""Events to ten other endpoints, to measure what new ones cost."""
MOST_CLAIM_MS = 5.0
MOST_GROWTH = 1.3
RUNS = 7
SLOTS = 32
"""Rows that a lane with nothing in it asks for."""

DELIVERY_ID = """
    (substr(replace(event_id::text, '-', ''), 1, 12) || '7' || substr(digest, 1, 3)
     || translate(substr(digest, 5, 1), '0123456789abcdef', '89ab89ab89ab89ab') || substr(digest, 6, 15))::uuid
"""
"""`deliveries.identity.delivery_id` in SQL, of an `event_id` and the hexadecimal `digest` of both ids."""

_FILL = f"""
    WITH told AS MATERIALIZED (
        SELECT uuidv7(-interval '1 hour') AS event_id, n FROM generate_series(1, $2::int) n
    ), message AS (
        INSERT INTO webhooks.messages (event_id, workspace_id, type, resource_id, stream_seq, payload)
        SELECT event_id, $1, $3, event_id::text, n, convert_to(replace($4, $5, event_id::text), 'UTF8') FROM told
    ), owed AS MATERIALIZED (
        SELECT event_id, endpoint_id, n, dead,
               encode(sha256(uuid_send(event_id) || uuid_send(endpoint_id)), 'hex') AS digest
        FROM told CROSS JOIN unnest($6::uuid[], $7::bool[]) AS e(endpoint_id, dead)
    ), delivery AS (
        INSERT INTO webhooks.deliveries (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status,
                                         attempts, last_attempt_at, last_status_code)
        SELECT event_id, endpoint_id, {DELIVERY_ID}, $1, $3, event_id::text, 'pending', 1, now(), 503 FROM owed
    )
    INSERT INTO webhooks.due (delivery_id, event_id, endpoint_id, stream_seq, next_attempt_at, attempts)
    SELECT {DELIVERY_ID}, event_id, endpoint_id, n,
           now() + CASE WHEN dead THEN -random() * interval '1 hour' ELSE (1 + 20 * random()) * interval '1 hour' END, 1
    FROM owed
"""  # noqa: S608 - a constant

_CLAIMS = """
    SELECT calls, mean_exec_time, max_exec_time, total_exec_time FROM pg_stat_statements
    WHERE query LIKE '%webhooks.due%' AND query LIKE $1 AND query NOT LIKE '%pg_stat_statements%'
    ORDER BY calls DESC LIMIT 1
"""


@dataclass(frozen=True)
class Backlog:
    """The workspaces that are owed a million retries, and which of their endpoints will never answer."""

    workspaces: tuple[Workspace, ...]

    @property
    def endpoints(self) -> list[UUID]:
        """All of them."""
        return [endpoint for workspace in self.workspaces for endpoint in workspace.endpoints]

    @property
    def dead(self) -> list[UUID]:
        """Those that refuse or hang."""
        return [endpoint for workspace in self.workspaces for endpoint in workspace.endpoints[:DEAD_EACH]]


async def measure_backlog(world: World, *, rounds: int, scale: float) -> Section:
    """Scenario (f). Half of the runs without the million come before it, half after it."""
    world.pin(apart=True)
    new, before = int(NEW * scale), (rounds + 1) // 2
    without = [await drained(world, 10, new) for _ in range(before)]
    backlog = Backlog(tuple([await _workspace(world) for _ in range(max(2, min(WORKSPACES, int(WORKSPACES * scale))))]))
    begun = time.perf_counter()
    rows = await fill(world, backlog, max(1, int(EVENTS * scale)))
    filled = time.perf_counter() - begun
    world.pin(apart=True)  # what the vacuum started, too
    await world.database.execute("SELECT pg_stat_statements_reset()")
    idle = await _idle(world, 5.0 if scale == 1 else 1.0)
    beside = [await drained(world, 10, new) for _ in range(rounds)]
    section = Section(
        f"(f) {rows:,} retries waiting, the dispatcher on a core of its own",
        [f"{new:,} new events to 10 endpoints", "deliveries/s", *(f"CPU {name}" for name in PROCESSES)],
    )
    section.notes.append(f"The rows were made in {filled:.0f} s. {idle}")
    running = [await _running(world, "claim", "%SKIP LOCKED%")]
    running += [await _running(world, "looking for endpoints with due rows", "%WITH RECURSIVE%")]
    await _explain(world, backlog, section)
    await _remove(world, backlog)
    without += [await drained(world, 10, new) for _ in range(max(1, rounds - before))]
    for name, found in (("nothing waits", without), (f"{rows:,} wait", beside)):
        section.rows.append([name, *_cells(found)])
    growth = _median(beside) / _median(without)
    section.bars.append(Bar("(f) CPU of the dispatcher for a new delivery, times that without", growth, MOST_GROWTH))
    section.notes += [note for note in running if note]
    return section


async def fill(world: World, backlog: Backlog, each: int) -> int:
    """Make the rows, visible all at once; returns how many retries wait."""
    async with world.database.acquire() as connection, connection.transaction():
        for workspace in backlog.workspaces:
            sample = events.make(workspace.id, 1)[0]
            await connection.execute(
                _FILL,
                workspace.id,
                each,
                events.KINDS[0].type,
                sample.payload.decode(),
                str(sample.event_id),
                list(workspace.endpoints),
                [number < DEAD_EACH for number in range(len(workspace.endpoints))],
            )
    made = await world.database.fetchrow("SELECT delivery_id, event_id, endpoint_id FROM webhooks.due LIMIT 1")
    if made is None or made["delivery_id"] != delivery_id(made["event_id"], made["endpoint_id"]):
        raise RuntimeError("the rows are not what the service would have written")
    for table in ("due", "deliveries", "messages"):
        await world.database.execute(f"VACUUM (ANALYZE) webhooks.{table}")
    return each * len(backlog.endpoints)


async def _workspace(world: World) -> Workspace:
    """Endpoints that hang, then those that refuse, then those that would answer."""
    urls = [world.receiver.hanging_url() for _ in range(HANGING_EACH)]
    urls += [world.receiver.refusing_url() for _ in range(DEAD_EACH - HANGING_EACH)]
    urls += [world.receiver.url(20 + number) for number in range(EACH - DEAD_EACH)]
    return await world.subscribe(urls)


async def _idle(world: World, seconds: float) -> str:
    """What the processes do while nothing new comes."""
    attempts = "SELECT sum(attempts) FROM webhooks.deliveries WHERE status <> 'delivered'"
    used, tried = cpu.readings(world.pids), await world.database.fetchval(attempts)
    await asyncio.sleep(seconds)
    spent = cpu.used_since(used, world.pids)
    tried = await world.database.fetchval(attempts) - tried
    busy = ", ".join(f"{name} {spent[name] / seconds:.0%}" for name in ("dispatcher", "postgres"))
    return f"While nothing new came: {tried / seconds:,.0f} attempts a second at dead endpoints; of a core {busy}."


async def _running(world: World, name: str, like: str) -> str:
    """What a statement took in the running system, as PostgreSQL counted."""
    row = await world.database.fetchrow(_CLAIMS, like)
    if row is None:
        return ""
    return (
        f"In the running system, {name}: {row['calls']:,} calls, {row['mean_exec_time']:.2f} ms each, "
        f"at most {row['max_exec_time']:.1f} ms."
    )


async def _explain(world: World, backlog: Backlog, section: Section) -> None:
    """The statements of the retrier, explained with values that it has; what they claim is given back."""
    now = utc_now()
    endpoints, dead = backlog.endpoints, backlog.dead
    cases: list[tuple[str, str, list[Any]]] = [
        ("which endpoints have due rows", statements.WITH_DUE, []),
        ("claim for one endpoint", statements.CLAIM, [dead[:1], [SLOTS], now, now, [0]]),
        (
            f"claim for all {len(endpoints)} endpoints",
            statements.CLAIM,
            [endpoints, [1] * len(endpoints), now, now, [0] * len(endpoints)],
        ),
    ]
    for name, sql, values in cases:
        milliseconds, plan = await _explained(world, sql, values)
        section.bars.append(Bar(f"(f) {name}, at the database", milliseconds, MOST_CLAIM_MS, " ms"))
        section.plans.append((f"{name[0].upper()}{name[1:]}, median {milliseconds:.2f} ms:", plan))


async def _explained(world: World, sql: str, values: list[Any]) -> tuple[float, str]:
    """The median of execution times in milliseconds, and the last plan without what was never executed."""
    times, lines = [], []
    url = world.stack.environment(DISPATCHER)["FLOWTASK_DATABASE_URL"]
    connection = await asyncpg.connect(url, server_settings={**SERVER_SETTINGS, **statements.WALKING})
    try:
        for number in range(RUNS + 1):
            transaction = connection.transaction()
            await transaction.start()
            try:
                lines = [
                    row[0] for row in await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {sql}", *values)
                ]
            finally:
                await transaction.rollback()
            if number:
                times.append(float(lines[-1].split()[-2]))
    finally:
        await connection.close()
    return statistics.median(times), "\n".join(_executed(lines))


def _executed(lines: list[str]) -> Iterator[str]:
    """A plan without the nodes that were never executed, such as the other days of a partitioned table."""
    below: int | None = None
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if below is None or depth <= below:
            below = depth if "(never executed)" in line else None
        if below is None:
            yield line


async def _remove(world: World, backlog: Backlog) -> None:
    """Nothing waits any more, and nobody is dead."""
    await world.database.execute("DELETE FROM webhooks.due WHERE endpoint_id = ANY($1)", backlog.endpoints)
    await world.database.execute("VACUUM webhooks.due")
    for workspace in backlog.workspaces:
        await world.forget(workspace)


def _median(found: list[Drain]) -> float:
    return statistics.median(each.cpu["dispatcher"] for each in found)


def _cells(found: list[Drain]) -> list[str]:
    return [
        spread([each.per_second for each in found]),
        *(spread([each.cpu[name] for each in found], 1) for name in PROCESSES),
    ]
