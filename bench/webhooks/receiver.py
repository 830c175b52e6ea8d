"""The process that receives: answers at once and notes what came when; a door may be told to say 503 now and then.

A door is a port of its own, so that every endpoint is an origin of its own, as endpoints of strangers are. Times are
nanoseconds of `time.perf_counter_ns`, one clock for all processes of a machine.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import random
import socket
import time
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection as Pipe
from typing import Any, Self

import uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
_ID = 36
"""Bytes of a `webhook-id`."""
_ANSWER_SECONDS = 30.0

Arrivals = dict[int, dict[bytes, int]]
"""By door, when each event id was first answered with 200."""


@dataclass(slots=True)
class _Door:
    """How one port answers, and what came to it."""

    fails: float = 0.0
    first: dict[bytes, int] = field(default_factory=dict)
    refused: int = 0
    repeats: int = 0


class _Exchange(asyncio.Protocol):
    """One connection: a request at a time, whole when its Content-Length is here."""

    __slots__ = ("_door", "_kept", "_transport")

    def __init__(self, door: _Door) -> None:
        self._door = door
        self._kept = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._kept:
            data = self._kept + data
        end = data.find(b"\r\n\r\n")
        at = data.find(b"ontent-Length: ", 0, end)
        if end < 0 or len(data) < end + 4 + int(data[at + 15 : data.find(b"\r\n", at)]):
            self._kept = data
            return
        self._kept = b""
        self._answer(data)

    def _answer(self, data: bytes) -> None:
        door = self._door
        if door.fails and random.random() < door.fails:
            door.refused += 1
            self._transport.write(UNAVAILABLE)
            return
        self._transport.write(OK)
        at = data.find(b"webhook-id: ") + 12
        event_id = data[at : at + _ID]
        if event_id in door.first:
            door.repeats += 1
        else:
            door.first[event_id] = time.perf_counter_ns()


@dataclass(frozen=True)
class Count:
    """What has come since the last `clear`: different events answered with 200, those again, and answers with 503."""

    arrived: int
    repeats: int
    refused: int


class _Process:
    """What the other process does; each public method is an order that comes through the pipe."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._doors: list[_Door] = []
        self._unfriendly: list[object] = []

    async def run(self, doors: int) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        ports = []
        for _ in range(doors):
            door = _Door()
            server = await loop.create_server(partial(_Exchange, door), "127.0.0.1", 0, backlog=1024)
            self._doors.append(door)
            ports.append(server.sockets[0].getsockname()[1])
        loop.add_reader(self._pipe.fileno(), self._obey, ended)
        os.set_blocking(self._pipe.fileno(), True)  # the loop has made it the other; what came may be megabytes
        self._pipe.send(ports)
        await ended.wait()

    def _obey(self, ended: asyncio.Event) -> None:
        try:
            order, arguments = self._pipe.recv()
        except EOFError:
            ended.set()
            return
        self._pipe.send(getattr(self, order)(*arguments))

    def closed_port(self) -> int:
        """A port that refuses connections as long as this process lives: bound, and never listened on."""
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        self._unfriendly.append(taken)
        return int(taken.getsockname()[1])

    def hanging_port(self) -> int:
        """A port that takes requests and never answers."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        loop = asyncio.get_running_loop()
        self._unfriendly.append(loop.create_task(loop.create_server(asyncio.Protocol, sock=listening)))
        return int(listening.getsockname()[1])

    def behave(self, door: int, fails: float) -> None:
        """Have a door answer 503 with that probability."""
        self._doors[door].fails = fails

    def clear(self) -> None:
        """Forget what came, and answer well again."""
        for door in self._doors:
            door.fails, door.refused, door.repeats = 0.0, 0, 0
            door.first.clear()

    def count(self) -> Count:
        """What has come, in numbers."""
        return Count(
            sum(len(door.first) for door in self._doors),
            sum(door.repeats for door in self._doors),
            sum(door.refused for door in self._doors),
        )

    def arrivals(self) -> Arrivals:
        """What has come, and when."""
        return {number: door.first for number, door in enumerate(self._doors) if door.first}


def _serve(pipe: Pipe, doors: int) -> None:
    gc.disable()  # what came is kept anyway, and looking through it would be the receiver's largest cost
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_Process(pipe).run(doors))


class Receiver:
    """The receiving process, seen from outside; it ends with its `with` block, or when this process does."""

    def __init__(self, doors: int) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, doors), daemon=True)
        self._process.start()
        theirs.close()
        self.ports: list[int] = self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(10)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def url(self, door: int) -> str:
        """Where an endpoint behind this door is."""
        return f"http://127.0.0.1:{self.ports[door]}/hooks/flowtask"

    def refusing_url(self) -> str:
        """Where every connection is refused."""
        return f"http://127.0.0.1:{self._ask('closed_port')}/hooks/flowtask"

    def hanging_url(self) -> str:
        """Where requests are taken and never answered."""
        return f"http://127.0.0.1:{self._ask('hanging_port')}/hooks/flowtask"

    def fail(self, door: int, probability: float) -> None:
        """Answer 503 that often behind this door, until `clear`."""
        self._ask("behave", door, probability)

    def clear(self) -> None:
        """Forget what came; every door answers 200 again."""
        self._ask("clear")

    def count(self) -> Count:
        """What has come since the last `clear`, in numbers."""
        count: Count = self._ask("count")
        return count

    def arrivals(self) -> Arrivals:
        """What has come since the last `clear`, and when."""
        came: Arrivals = self._ask("arrivals")
        return came

    async def until(self, arrived: int, seconds: float) -> Count:
        """Wait for that many different deliveries; RuntimeError when they are not here in time."""
        deadline = time.monotonic() + seconds
        while (count := self.count()).arrived < arrived:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{count.arrived} of {arrived} deliveries arrived within {seconds:g} s")
            await asyncio.sleep(0.02)
        return count

    def _ask(self, order: str, *arguments: object) -> Any:
        self._pipe.send((order, arguments))
        if not self._pipe.poll(_ANSWER_SECONDS):
            raise RuntimeError(f"the receiver does not answer: {order}")
        return self._pipe.recv()
