"""Writes at a steady rate, and what each of them must have told."""

import asyncio
import itertools
import time
from collections import Counter, deque
from typing import Any

import httpx2

Fact = tuple[str, str, str]
"""What an event tells: its type, the resource, and the `updatedAt` of that state of the resource."""


def fact(kind: str, data: dict[str, Any]) -> Fact:
    return kind, data["id"], data["updatedAt"]


class Writer:
    """An open loop of task writes: half create with an assignee, a quarter change a title, a quarter complete.

    `expected` holds what each accepted write must have told, with the resource as the answer showed it. A write without
    an answer may have happened or not, so its task is left alone from then on.
    """

    def __init__(self, client: httpx2.AsyncClient, assignee: str) -> None:
        self._client = client
        self._assignee = assignee
        self._open: deque[str] = deque()
        self.accepted = 0
        self.failures: Counter[str] = Counter()
        self.expected: dict[Fact, dict[str, Any]] = {}
        self._stopping = False

    async def run(self, rate: float) -> None:
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))  # the rate is the work
                if self._stopping:
                    return
                group.create_task(self._write(number))

    def stop(self) -> None:
        self._stopping = True

    async def reached(self, writes: int) -> None:
        async with asyncio.timeout(60):
            while self.accepted < writes:
                await asyncio.sleep(0.01)  # between two looks at the condition

    async def _write(self, number: int) -> None:
        try:
            if number % 4 < 2 or not self._open:
                await self._create(number)
            else:
                await self._change(self._open.popleft(), number, complete=number % 4 == 3)
        except httpx2.TransportError as error:
            self.failures[type(error).__name__] += 1

    async def _create(self, number: int) -> None:
        body = {"title": f"task {number}", "assigneeId": self._assignee}
        task = self._told(await self._client.post("/tasks", json=body), 201, "task.created", "task.assigned")
        if task is not None:
            self._open.append(task)

    async def _change(self, task: str, number: int, *, complete: bool) -> None:
        body = {"status": "DONE"} if complete else {"title": f"changed {number}"}
        kinds = ("task.updated", "task.completed") if complete else ("task.updated",)
        told = self._told(await self._client.patch(f"/tasks/{task}", json=body), 200, *kinds)
        if told is not None and not complete:
            self._open.append(task)

    def _told(self, answer: httpx2.Response, status: int, *kinds: str) -> str | None:
        if answer.status_code != status:
            self.failures[f"{answer.status_code} {answer.text[:200]}"] += 1
            return None
        self.accepted += 1
        data = answer.json()["data"]
        self.expected |= {fact(kind, data): data for kind in kinds}
        return str(data["id"])
