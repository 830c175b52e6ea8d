"""A replay of 200,000 deliveries beside live traffic: what others feel of it, how soon it can be cancelled, and whether it counts well.

Run: python -m bench replay [--deliveries 200000] [--pairs 4] [--seconds 20] [--rate 25] [--quick]. History is written by set, as the
service would have written it. Live events go at a steady rate to the endpoint that is replayed to, and to one of another workspace;
stretches with the replay and without it take turns, each pair in another order, and each replay but the last is cancelled. The last
runs to its end beside the same traffic while the dispatcher is killed twice. Ends with 1 when a bar is missed; `--quick` judges nothing but the counts.
"""

import argparse
import asyncio
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import uvloop

from bench.webhooks import events
from bench.webhooks.backlog import DELIVERY_ID
from bench.webhooks.pace import open_loop
from bench.webhooks.report import machine, percentiles
from bench.webhooks.world import DISPATCHER, Workspace, World, running, world
from flowtask_contracts.commands import CancelReplay, GetReplay, StartReplay
from flowtask_contracts.commands.webhook_replays import Replayed
from flowtask_kit.ids import new_id

MOST_TIMES = 1.5
MOST_CANCEL_SECONDS = 2.0
WARM_UP = 3.0
ELSEWHERE, REPLAYED = 0, 1
"""Doors of the receiver."""

_FILL = f"""
    WITH told AS MATERIALIZED (
        SELECT uuidv7(-interval '1 hour') AS event_id, n FROM generate_series(1, $2::int) n
    ), message AS (
        INSERT INTO webhooks.messages (event_id, workspace_id, type, resource_id, stream_seq, payload)
        SELECT event_id, $1, 'project.updated', event_id::text, n, convert_to(replace($3, $4, event_id::text), 'UTF8')
        FROM told
    ), owed AS MATERIALIZED (
        SELECT event_id, encode(sha256(uuid_send(event_id) || uuid_send($5::uuid)), 'hex') AS digest FROM told
    )
    INSERT INTO webhooks.deliveries (event_id, endpoint_id, delivery_id, workspace_id, type, resource_id, status,
                                     attempts, last_attempt_at, last_status_code)
    SELECT event_id, $5, {DELIVERY_ID}, $1, 'project.updated', event_id::text, 'failed', 1, now(), 503 FROM owed
"""  # noqa: S608 - a constant


@dataclass
class Findings:
    """Milliseconds of live events by door and by whether a replay ran, and what the replays said at their ends."""

    waits: dict[tuple[int, bool], list[list[float]]] = field(default_factory=dict)
    cancels: list[float] = field(default_factory=list)
    late: int = 0
    replays: list[dict[str, Any]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


class Bench:
    """One history, and what is done with it."""

    def __init__(self, found: World, mine: Workspace, other: Workspace, options: argparse.Namespace) -> None:
        self._world = found
        self._mine = mine
        self._other = other
        self._options = options
        self.findings = Findings()

    async def fill(self) -> None:
        """Write the history, to the end: what the server still has to do for it is not of the replay."""
        sample = events.make(self._mine.id, 1)[0]
        payload, own = sample.payload.decode(), str(sample.event_id)
        endpoint = self._mine.endpoints[0]
        await self._world.database.execute(_FILL, self._mine.id, self._options.deliveries, payload, own, endpoint)
        for table in ("deliveries", "messages"):
            await self._world.database.execute(f"VACUUM (ANALYZE) webhooks.{table}")
        await self._world.database.execute("CHECKPOINT")

    async def start(self) -> dict[str, Any]:
        """Begin to replay what is left."""
        command = StartReplay(
            command_id=new_id(),
            workspace_id=self._mine.id,
            endpoint_id=self._mine.endpoints[0],
            since="2020-01-01T00:00:00Z",
            statuses=(Replayed.FAILED,),
        )
        return dict(await self._world.ask(command))

    async def get(self, replay: dict[str, Any]) -> dict[str, Any]:
        """How far it has come; its numbers add up at any time."""
        found = await self._world.ask(GetReplay(workspace_id=self._mine.id, replay_id=replay["id"]))
        if found["total"] != found["delivered"] + found["failed"] + found["skipped"] + found["remaining"]:
            raise RuntimeError(f"the counts do not add up: {found}")
        return dict(found)

    async def stretch(self, *, replaying: bool) -> None:
        """Live traffic for a while, beside a replay or alone."""
        replay = await self.start() if replaying else None
        before = self._world.receiver.count().arrived
        sent = await self._live()
        if replay is not None:
            came = self._world.receiver.count().arrived - before - len(sent)
            self.findings.rates.append(came / (self._options.seconds + WARM_UP))
            await self._cancel(replay)
        await self._note(sent, replaying=replaying)

    async def _live(self) -> dict[bytes, tuple[int, int, bool]]:
        """Events by id: when each was published, to which door, and whether it counts."""
        rate, seconds = self._options.rate, self._options.seconds
        number = int(rate * (WARM_UP + seconds)) + 4
        rows = {
            REPLAYED: events.make(self._mine.id, number),
            ELSEWHERE: events.make(self._other.id, number),
        }
        sent: dict[bytes, tuple[int, int, bool]] = {}

        async def one(_: int, *, counts: bool) -> None:
            for door, waiting in rows.items():
                row = waiting.pop()
                sent[str(row.event_id).encode()] = time.perf_counter_ns(), door, counts
                await self._world.publish([row])

        await open_loop(rate, WARM_UP, lambda number: one(number, counts=False))
        await open_loop(rate, seconds, lambda number: one(number, counts=True))
        return sent

    async def _cancel(self, replay: dict[str, Any]) -> None:
        asked = time.perf_counter_ns()
        command = CancelReplay(command_id=new_id(), workspace_id=self._mine.id, replay_id=replay["id"])
        await self._world.ask(command)
        while (found := await self.get(replay))["status"] != "cancelled":
            if time.perf_counter_ns() - asked > 60e9:
                raise RuntimeError(f"it is not cancelled after a minute: {found}")
            await asyncio.sleep(0.02)
        self.findings.cancels.append((time.perf_counter_ns() - asked) / 1e9)
        self.findings.replays.append(found)
        await asyncio.sleep(MOST_CANCEL_SECONDS)
        last = asked + MOST_CANCEL_SECONDS * 1e9
        came = self._world.receiver.arrivals().get(REPLAYED, {})
        history = await self.history()
        self.findings.late += sum(at > last for event, at in came.items() if event in history)

    async def history(self) -> set[bytes]:
        """The events that are replayed."""
        rows = await self._world.database.fetch(
            "SELECT event_id FROM webhooks.messages WHERE workspace_id = $1 AND type = 'project.updated'", self._mine.id
        )
        return {str(row["event_id"]).encode() for row in rows}

    async def _arrived(self, sent: dict[bytes, tuple[int, int, bool]]) -> dict[int, dict[bytes, int]]:
        """What has arrived, once all of these have; RuntimeError after two minutes."""
        deadline = time.monotonic() + 120
        while True:
            arrivals: dict[int, dict[bytes, int]] = self._world.receiver.arrivals()
            if all(event in arrivals.get(door, {}) for event, (_, door, _) in sent.items()):
                return arrivals
            if time.monotonic() > deadline:
                raise RuntimeError("live events did not arrive within two minutes")
            await asyncio.sleep(0.2)

    async def _note(self, sent: dict[bytes, tuple[int, int, bool]], *, replaying: bool) -> None:
        arrivals = await self._arrived(sent)
        for door in (ELSEWHERE, REPLAYED):
            waits = [
                (arrivals[door][event] - at) / 1e6 for event, (at, to, counts) in sent.items() if counts and to == door
            ]
            self.findings.waits.setdefault((door, replaying), []).append(waits)

    async def to_the_end(self) -> dict[str, Any]:
        """Replay the rest as fast as one process may beside live events, killed at a third and at two thirds; all of these arrive too."""
        process = self._world.stack.service(DISPATCHER)
        fast = {"FLOWTASK_WEBHOOKS_REPLAY_RATE": "10000"}
        await asyncio.to_thread(process.restart, env=fast)
        replay = await self.start()
        over = asyncio.Event()
        live = asyncio.create_task(self._live_until(over))
        for part in (1 / 3, 2 / 3):
            while (found := await self.get(replay))["done"] < part * found["total"]:
                await asyncio.sleep(0.05)
            await asyncio.to_thread(process.kill)
            await asyncio.to_thread(process.start, env=fast)
            await asyncio.to_thread(process.wait_ready)
        while (found := await self.get(replay))["status"] != "completed":
            await asyncio.sleep(0.1)
        self.findings.replays.append(found)
        over.set()
        sent = await live
        await self._arrived(sent)
        print(f"  and {len(sent):,} live events meanwhile, all of which arrived", flush=True)
        return found

    async def _live_until(self, over: asyncio.Event) -> dict[bytes, tuple[int, int, bool]]:
        """Events to both doors at the same rate, until it is over."""
        sent: dict[bytes, tuple[int, int, bool]] = {}
        while not over.is_set():
            for door, workspace in ((REPLAYED, self._mine.id), (ELSEWHERE, self._other.id)):
                rows = events.make(workspace, 1)
                sent[str(rows[0].event_id).encode()] = time.perf_counter_ns(), door, False
                await self._world.publish(rows)
            await asyncio.sleep(1 / self._options.rate)
        return sent


async def measure(found: World, options: argparse.Namespace) -> bool:
    """Run it all and print what was found; True when every bar is met."""
    found.pin(apart=False)
    receiver = found.receiver
    mine, other = await found.subscribe([receiver.url(REPLAYED)]), await found.subscribe([receiver.url(ELSEWHERE)])
    bench = Bench(found, mine, other, options)
    begun = time.monotonic()
    await bench.fill()
    print(f"  {options.deliveries:,} failed deliveries, written in {time.monotonic() - begun:.0f} s", flush=True)
    for number in range(options.pairs):
        for replaying in (True, False) if number % 2 else (False, True):
            await bench.stretch(replaying=replaying)
    judged = _judge_pace(bench.findings)
    begun = time.monotonic()
    last = await bench.to_the_end()
    print(f"  the rest, {last['total']:,}, took {time.monotonic() - begun:.0f} s with two kills", flush=True)
    return await _judge_counts(found, bench, mine.endpoints[0], options) and (judged or options.quick)


def _judge_pace(findings: Findings) -> bool:
    met = True
    if findings.rates:
        print(f"  replayed beside live traffic: {statistics.median(findings.rates):,.0f} a second")
    for door, name in ((ELSEWHERE, "an endpoint elsewhere"), (REPLAYED, "the same endpoint")):
        tails = {}
        for replaying in (False, True):
            points = [percentiles(run) for run in findings.waits.get((door, replaying), [])]
            tails[replaying] = [p99 for _, _, p99 in points]
            said = " ".join(f"{p50:.1f}/{p99:.1f}" for p50, _, p99 in points)
            print(f"  live events to {name}, {'beside a replay' if replaying else 'alone'}: p50/p99 ms {said}")
        ratio = statistics.median(beside / alone for beside, alone in zip(tails[True], tails[False], strict=True))
        print(f"  bar: p99 beside a replay, times p99 without, median: {ratio:.2f} (at most {MOST_TIMES})")
        met &= ratio <= MOST_TIMES
    slowest = max(findings.cancels, default=0.0)
    print(
        f"  bar: cancelled after {slowest:.2f} s at most (at most {MOST_CANCEL_SECONDS:g}), later arrivals {findings.late}",
        flush=True,
    )
    return met and slowest <= MOST_CANCEL_SECONDS and not findings.late


async def _judge_counts(found: World, bench: Bench, endpoint: UUID, options: argparse.Namespace) -> bool:
    counted = {name: sum(each[name] for each in bench.findings.replays) for name in ("delivered", "failed", "skipped")}
    rows = await found.database.fetch(
        "SELECT status, count(*) FROM webhooks.deliveries WHERE endpoint_id = $1 AND type = 'project.updated' GROUP BY status",
        endpoint,
    )
    statuses = {row["status"]: row["count"] for row in rows}
    left = await found.database.fetchval("SELECT count(*) FROM webhooks.replay_items")
    came = found.receiver.arrivals().get(REPLAYED, {})
    arrived = len(await bench.history() & came.keys())
    well = (
        counted == {"delivered": options.deliveries, "failed": 0, "skipped": 0}
        and statuses == {"delivered": options.deliveries}
        and arrived == options.deliveries
        and not left
    )
    print(f"  counted {counted}, on record {statuses}, arrived {arrived:,}, again {found.receiver.count().repeats}")
    print(f"  bar: counts exact: {'yes' if well else 'no'}", flush=True)
    return well


async def run(options: argparse.Namespace) -> bool:
    """Start everything in a temporary folder, measure, end it."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # so that everything is put away
    with (
        tempfile.TemporaryDirectory(prefix="flowtask-bench-") as folder,
        running(Path(folder) / "home", doors=2, timeout=1.5 if options.quick else 5.0) as (stack, receiver),
    ):
        print(f"  {machine(stack.postgres.version(), stack.nats.version())}", flush=True)
        async with world(stack, receiver) as found:
            return await measure(found, options)


def main() -> None:
    """Measure, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench replay", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each stretch of live traffic")
    parser.add_argument("--rate", type=float, default=25.0, help="live events a second, to each of the two endpoints")
    parser.add_argument("--quick", action="store_true", help="tiny; only the counts are judged")
    options = parser.parse_args()
    if options.quick:
        options.deliveries, options.pairs, options.seconds = 3000, 1, 1.0
    try:
        met = uvloop.run(run(options))
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("this measurement reads /proc and needs Linux")
    main()
