"""End-to-end latency on the local stack: from the client having read the 201 to the receiver having the body.

One clock (`time.perf_counter` of this process, which is client and receiver), an open loop of 100 tasks a second,
servers as durable as in production, three runs after a warm-up. Also prints the CPU that each process used per task.
"""

import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from flowtask_local.services import AT_FULL_SPEED
from flowtask_local.stack import Stack

RATE = 100
SECONDS = 20
RUNS = 3


@dataclass
class Run:
    """When each task was answered and when its webhook came."""

    answered: dict[str, float] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)


class Client:
    """A keep-alive HTTP/1.1 client that adds as little as possible to what it measures."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, document: object) -> dict[str, object]:
        """The `data` of a 201."""
        body = orjson.dumps(document)
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(
            f"POST /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        answer = await reader.readexactly(int(length.partition(b":")[2]))
        if b" 201 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(answer.decode())
        self._idle.append((reader, writer))
        data: dict[str, object] = orjson.loads(answer)["data"]
        return data


async def receive(run: Run, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer 200 to everything, and note when the last byte of each webhook was here."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
            body = await reader.readexactly(int(length.partition(b":")[2]))
            at = time.perf_counter()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            run.arrived.setdefault(orjson.loads(body)["data"]["id"], at)
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()


async def measure(client: Client, run: Run, seconds: float) -> None:
    """Create tasks at a steady rate whatever the answers take, then wait for every webhook."""

    async def one(number: int) -> None:
        task = await client.post("/tasks", {"title": f"task {number}"})
        run.answered[str(task["id"])] = time.perf_counter()

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(RATE * seconds)):
            await asyncio.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
            group.create_task(one(number))
    async with asyncio.timeout(60):
        while not run.answered.keys() <= run.arrived.keys():
            await asyncio.sleep(0.01)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(run: Run) -> tuple[float, float]:
    """Print one run's percentiles in milliseconds; returns p50 and p99."""
    waits = sorted((run.arrived[task] - at) * 1000 for task, at in run.answered.items())
    points = statistics.quantiles(waits, n=100, method="inclusive")
    print(
        f"  {len(waits)} tasks: p50 {points[49]:.2f} ms, p90 {points[89]:.2f} ms, p95 {points[94]:.2f} ms, "
        f"p99 {points[98]:.2f} ms, max {waits[-1]:.2f} ms",
        flush=True,
    )
    return points[49], points[98]


async def main() -> None:
    """Start a stack in a temporary folder, measure, print."""
    with (
        tempfile.TemporaryDirectory(prefix="flowtask-bench-") as folder,
        Stack(Path(folder) / "home", extra_env=AT_FULL_SPEED) as stack,
    ):
        await asyncio.to_thread(stack.up)
        seed = await asyncio.to_thread(stack.seed)
        run = Run()
        server = await asyncio.start_server(lambda r, w: receive(run, r, w), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = Client(stack.service("api").port, seed["apiKey"])
        await client.post("/webhooks", {"url": f"http://127.0.0.1:{port}/hooks", "events": ["task.created"]})
        await measure(client, run, 3)
        print(f"  {platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}; {RATE} tasks/s")
        processes = {process.name: process.pid for process in stack.processes if process.pid}
        before = {name: cpu_seconds(pid) for name, pid in processes.items()}
        results = []
        for _ in range(RUNS):
            run.answered.clear()
            run.arrived.clear()
            await measure(client, run, SECONDS)
            results.append(report(run))
        tasks = RUNS * RATE * SECONDS
        used = {name: (cpu_seconds(pid) - before[name]) / tasks * 1e6 for name, pid in processes.items()}
        print("  CPU per task: " + ", ".join(f"{name} {microseconds:.0f} us" for name, microseconds in used.items()))
        p50, p99 = (sorted(column)[len(results) // 2] for column in zip(*results, strict=True))
        print(f"  median of {RUNS} runs: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
        server.close()


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("this measurement reads /proc and needs Linux")
    asyncio.run(main())
