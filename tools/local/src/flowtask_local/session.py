"""A FlowTask from its start to its end: brought up step by step, kept alive, announced in `local.json`, ended."""

import contextlib
import os
import threading

from . import running
from .keeper import Charge, Keeper
from .nats import EmbeddedNats
from .postgres import EmbeddedPostgres
from .process import together
from .screen import Screen
from .services import ServiceProcess
from .space import SpaceWatch
from .stack import Stack

_READY_SECONDS = 60.0


class Session:
    """One stack over one home; `start`, then `close`, which is also right when `start` failed or was cut short."""

    def __init__(self, stack: Stack, screen: Screen) -> None:
        self._stack = stack
        self._screen = screen
        self._seed: dict[str, str] = {}
        self._stopping = threading.Event()
        self._gate = threading.Lock()
        self._telling = threading.Lock()
        self._members: list[ServiceProcess | EmbeddedPostgres | EmbeddedNats] = []
        self._keepers: list[Keeper | SpaceWatch] = []

    def start(self) -> running.Running:
        """All of it, each step shown; returns when every service is ready and `local.json` says so."""
        stack = self._stack
        with self._screen.step("PostgreSQL and NATS"):
            stack.start_servers()
        running.forget(stack.home)
        with self._screen.step("roles, schemas and streams"):
            stack.bootstrap()
        with self._screen.step("migrations"):
            stack.migrate()
        self._start_services()
        self._members = [*stack.processes, stack.postgres, stack.nats]
        running.tell(stack, self._seed, os.getpid())
        self._keep()
        return running.Running(stack.service("api").url, self._seed["apiKey"], self._seed["workspaceId"], os.getpid())

    def close(self) -> None:
        """End services, then servers, each in good order; the folder is free afterwards."""
        with self._gate:
            self._stopping.set()
        try:
            with self._telling:
                if self._stack.home.held:
                    running.forget(self._stack.home)
        finally:
            self._stack.close()
        for keeper in self._keepers:
            keeper.join(timeout=2.0)

    def kill(self) -> None:
        """End every process by SIGKILL; a `close` that waits for them comes to its end at once."""
        for member in self._members:
            if member.running:
                member.kill()

    def _start_services(self) -> None:
        """The demo workspace needs the API's tables but not the API, so both are made at the same time."""

        def seed() -> None:
            with self._screen.step("demo workspace"):
                self._seed = self._stack.seed()

        def serve() -> None:
            with self._screen.step("services"):
                self._stack.start()

        together([serve, seed])

    def _keep(self) -> None:
        postgres, nats = self._stack.postgres, self._stack.nats
        charges = [
            Charge("PostgreSQL", lambda: postgres.running, postgres.start, _nothing),
            Charge("NATS", lambda: nats.running, nats.start, _nothing),
            *(self._charge(process) for process in self._stack.processes),
        ]
        self._keepers = [
            Keeper(charge, stopping=self._stopping, gate=self._gate, say=self._warn, on_change=self._tell)
            for charge in charges
        ]
        self._keepers.append(
            SpaceWatch(self._stack.home.path, stopping=self._stopping, say=self._warn, on_room=self._on_room)
        )

    def _on_room(self) -> None:
        """NATS gives JetStream up on a full disk and does not take it up again by itself; its keeper starts it anew."""
        self._tell()
        if not self._stack.nats.whole:
            self._stack.nats.stop()

    def _charge(self, process: ServiceProcess) -> Charge:
        def wait_ready() -> None:
            process.wait_until(
                lambda: self._stopping.is_set() or process.ready, "answering /readyz with 200", _READY_SECONDS
            )

        def start() -> None:
            before = process.port
            self._stack.start_again(process)
            if process.port != before:
                self._warn(f"Port {before} is taken: {process.name} listens on {process.port}.")

        return Charge(process.name, lambda: process.running, start, wait_ready)

    def _tell(self) -> None:
        """Write down what has changed; on a full disk that waits for room, for it is no reason to stand still."""
        with self._telling, contextlib.suppress(OSError):
            if not self._stopping.is_set():
                running.tell(self._stack, self._seed, os.getpid())

    def _warn(self, text: str) -> None:
        self._screen.say(text, "bold yellow")


def _nothing() -> None:
    """PostgreSQL and NATS are ready when their start returns."""
