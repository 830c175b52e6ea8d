"""A closed-loop HTTP/1.1 load: a number of keep-alive connections, each sending its next request at the answer."""

import asyncio
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONNECTIONS = 32


@dataclass(frozen=True)
class Load:
    """What was done in one stretch of load; CPU is the server's, in microseconds for each request."""

    per_second: float
    cpu: float


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is whole; any other status than asked for ends it all."""

    def __init__(self, requests: Iterator[bytes], status: int, failed: asyncio.Future[None]) -> None:
        self._requests = requests
        self._expected = b"HTTP/1.1 %d " % status
        self._failed = failed
        self._answer = b""
        self._transport: Any = None
        self.answers = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        answer = self._answer + data
        end = answer.find(b"\r\n\r\n")
        if end < 0:
            self._answer = answer
            return
        head = answer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : at + 26].split(b"\r")[0])
        if len(answer) < end + 4 + length:
            self._answer = answer
            return
        self._answer = b""
        if not answer.startswith(self._expected):
            if not self._failed.done():
                self._failed.set_exception(RuntimeError(answer.decode(errors="replace")))
            return
        self.answers += 1
        self._transport.write(next(self._requests))


async def load(port: int, pid: int, requests: list[bytes], *, status: int, seconds: float) -> Load:
    """Send these requests round and round; RuntimeError at the first answer with another status."""
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    turn = itertools.cycle(requests)
    made = [
        await loop.create_connection(lambda: _Connection(turn, status, failed), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    try:
        await _wait(failed, seconds / 5)
        answers, cpu, begun = sum(each.answers for _, each in made), cpu_seconds(pid), time.perf_counter()
        await _wait(failed, seconds)
        took, used = time.perf_counter() - begun, cpu_seconds(pid) - cpu
        count = sum(each.answers for _, each in made) - answers
    finally:
        for transport, _ in made:
            transport.abort()
    return Load(count / took, used / count * 1e6)


async def _wait(failed: "asyncio.Future[None]", seconds: float) -> None:
    await asyncio.wait([failed], timeout=seconds)
    if failed.done():
        failed.result()


def request(method: str, path: str, *, key: str = "", body: bytes = b"", headers: str = "") -> bytes:
    """The bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{headers}\r\n".encode() + body


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, threads included; the clock of the kernel ticks every 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
