"""What others feel of a key that is blocked at an ordered endpoint: the same changes of other resources, with it and without it."""

import argparse
import asyncio
import itertools
import statistics
import time
from typing import Any

import httpx2
from tests.e2e.receivers import Receiver

from .webhooks.pace import open_loop
from .webhooks.report import percentiles

MOST_TIMES = 1.5
WARM_UP_SECONDS = 2.0
BLOCKING = {
    "events": ["task.updated"],
    "ordering": "resource",
    "afterLastTry": "block",
    "retryPolicy": "custom",
    "retrySchedule": [1],
}


class Beside:
    """One ordered endpoint: `blocked` is the task that can be blocked, and `others` are changed at a steady rate."""

    def __init__(self, client: httpx2.AsyncClient, tasks: list[str], options: argparse.Namespace) -> None:
        self._client = client
        self._options = options
        self._numbers = itertools.count()
        self._refusing = False
        self.blocked, *self.others = tasks
        self.receiver = Receiver(self._answer)
        self.endpoint = ""

    def _answer(self, _path: str, _headers: dict[str, str], body: bytes) -> int:
        return 400 if self._refusing and self.blocked.encode() in body else 200

    async def subscribe(self) -> None:
        """Have the endpoint."""
        made = await self._client.post("/webhooks", json={"url": self.receiver.url("/beside"), **BLOCKING})
        self.endpoint = made.raise_for_status().json()["data"]["id"]

    async def block(self) -> None:
        """Refuse one change for good, with so many of its task behind it."""
        self._refusing = True
        for _ in range(self._options.events):
            await self._change(self.blocked)
        end, behind = time.monotonic() + 60, self._options.events - 1
        while not any(key["status"] == "failed" and key["waiting"] == behind for key in await self._held()):
            if time.monotonic() > end:
                raise RuntimeError(f"this should be held up by now: {await self._held()}")
            await asyncio.sleep(0.1)

    async def unblock(self) -> None:
        """Go on without it, and wait until what was behind it has come."""
        self._refusing = False
        (key,) = await self._held()
        (await self._client.post(f"/deliveries/{key['deliveryId']}/skip")).raise_for_status()
        last = await self._change(self.blocked)
        await self.receiver.until(lambda: last in self._arrivals())

    async def stretch(self) -> tuple[float, float]:
        """p50 and p99 of the milliseconds from a write's begin to its webhook's arrival."""
        rate, seconds = self._options.rate, self._options.seconds
        sent: dict[str, float] = {}

        async def one(number: int, *, counts: bool) -> None:
            begun = time.perf_counter()
            title = await self._change(self.others[number % len(self.others)])
            if counts:
                sent[title] = begun

        await open_loop(rate, WARM_UP_SECONDS, lambda number: one(number, counts=False))
        await open_loop(rate, seconds, lambda number: one(number, counts=True))
        await self.receiver.until(lambda: sent.keys() <= self._arrivals().keys())
        arrivals = self._arrivals()
        p50, _, p99 = percentiles([(arrivals[title] - begun) * 1000 for title, begun in sent.items()])
        return p50, p99

    async def _change(self, task: str) -> str:
        title = str(next(self._numbers))
        (await self._client.patch(f"/tasks/{task}", json={"title": title})).raise_for_status()
        return title

    async def _held(self) -> list[dict[str, Any]]:
        answer = await self._client.get(f"/webhooks/{self.endpoint}/held-keys")
        held: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return held

    def _arrivals(self) -> dict[str, float]:
        """When each change was first accepted."""
        accepted = [request for request in self.receiver.requests if request.status == 200]
        return {request.document["data"]["title"]: request.at for request in reversed(accepted)}


async def beside(client: httpx2.AsyncClient, tasks: list[str], options: argparse.Namespace) -> bool:
    """Stretches with a blocked key and without one take turns; True when the others' p99 is what it was."""
    waits: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    measured = Beside(client, tasks, options)
    async with measured.receiver:
        await measured.subscribe()
        for number in range(options.pairs):
            for blocked in (True, False) if number % 2 else (False, True):
                if blocked:
                    await measured.block()
                waits[blocked].append(await measured.stretch())
                if blocked:
                    await measured.unblock()
        await client.delete(f"/webhooks/{measured.endpoint}")
    for blocked, found in waits.items():
        said = " ".join(f"{p50:.0f}/{p99:.0f}" for p50, p99 in found)
        print(f"  other keys, {'beside one that is blocked' if blocked else 'alone'}: p50/p99 ms {said}")
    ratio = statistics.median(beside / alone for (_, beside), (_, alone) in zip(waits[True], waits[False], strict=True))
    print(
        f"  bar: their p99 beside a blocked key, times p99 without, median: {ratio:.2f} (at most {MOST_TIMES})",
        flush=True,
    )
    return ratio <= MOST_TIMES
