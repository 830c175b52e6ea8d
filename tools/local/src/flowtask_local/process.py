"""One child process: started on the lifeline, its output captured, waited for by condition."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from . import lifeline
from .errors import NotReadyError, ProcessEndedError
from .logs import Lines, LineSink, LogFile
from .privileges import Identity

_LOOK_SECONDS = 0.02


class Process:
    """A program that can be started, stopped, killed and started again with the same command, environment and log."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path = Path("/"),
        log_path: Path | None = None,
        on_line: LineSink | None = None,
        signals: tuple[str, ...] = ("TERM", "KILL"),
        lock: Path | None = None,
        stale: Sequence[str] = (),
        identity: Identity | None = None,
        needs: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.env = dict(env)
        self._order = lifeline.Order(
            command=tuple(str(part) for part in command),
            env=self.env,
            cwd=cwd,
            signals=signals,
            lock=lock,
            stale=tuple(stale),
            identity=identity,
            needs=tuple(needs),
        )
        self._lines = Lines()
        self._on_line = on_line
        self._log = None if log_path is None else LogFile(log_path)
        self._child: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process id of the latest start, None before the first."""
        return None if self._child is None else self._child.pid

    @property
    def returncode(self) -> int | None:
        """How the latest start ended, negative for a signal; None while it runs and before the first start."""
        return self._child.returncode if self._child is not None and self._ended.is_set() else None

    @property
    def running(self) -> bool:
        """True from start until the process has ended."""
        return self._child is not None and not self._ended.is_set()

    @property
    def log_lines(self) -> list[str]:
        """What the process has written to stdout and stderr, over all its starts, at most the latest 20,000 lines."""
        return self._lines.all()

    def start(self, *, env: Mapping[str, str] | None = None) -> None:
        """Start the program, which may not be running; `env` adds variables for this start alone.

        Returns at once: use a wait to know that it is ready.
        """
        assert not self.running, f"{self.name} is already running"
        self._join_readers()
        self._ended = threading.Event()
        self._child = child = lifeline.spawn(replace(self._order, env={**self.env, **(env or {})}))
        self._readers = [
            threading.Thread(target=self._read, args=(child,), name=f"{self.name}-output", daemon=True),
            threading.Thread(target=self._reap, args=(child, self._ended), name=f"{self.name}-end", daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def wait(self, timeout: float) -> int:
        """The exit code, once the process has ended; NotReadyError when it has not within `timeout` seconds."""
        if self._child is not None and not self._ended.wait(timeout):
            raise NotReadyError(self.name, "its end", timeout, self._lines.tail())
        assert self._child is not None, f"{self.name} was never started"
        assert self._child.returncode is not None
        return self._child.returncode

    def terminate(self, grace: float = 30.0) -> int:
        """Ask it to end; when it has not after `grace` seconds use its stronger signals. Returns the exit code."""
        *polite, last = self._order.signals
        for name in polite:
            self.signal(name)
            with contextlib.suppress(NotReadyError):
                return self.wait(grace)
            grace = min(grace, 5.0)
        self.signal(last)
        return self.wait(10.0)

    def kill(self) -> int:
        """SIGKILL, as a crash would: no handler runs. Returns once it is gone."""
        self.signal("KILL")
        return self.wait(10.0)

    def signal(self, name: str) -> None:
        """Send a signal such as "STOP" to the whole process group; nothing happens when it has ended."""
        if self._child is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.Signals[f"SIG{name}"])

    def wait_until(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """Return when the condition holds; ProcessEndedError when the process ends, NotReadyError when time is up."""
        deadline = time.monotonic() + timeout
        while not condition():
            if not self.running:
                self._join_readers()
                raise ProcessEndedError(self.name, self.returncode, self._lines.tail())
            if time.monotonic() > deadline:
                raise NotReadyError(self.name, what, timeout, self._lines.tail())
            time.sleep(_LOOK_SECONDS)

    def wait_for_line(self, text: str, timeout: float = 10.0) -> str:
        """The first line with this text in it, from the past or to come; NotReadyError when none comes in time."""
        line = self._lines.wait_for(lambda line: text in line, timeout)
        if line is None:
            raise NotReadyError(self.name, f"a line with {text!r}", timeout, self._lines.tail())
        return line

    def close(self, *, asked: bool = False, grace: float = 30.0) -> None:
        """End the process if it runs (`asked` says that it was already told to), and close its log."""
        if asked and self.running:
            with contextlib.suppress(NotReadyError):
                self.wait(grace)
        if self.running:
            self.terminate(grace)
        self._join_readers()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        with child.stdout as output:
            for raw in output:
                if self._log is not None:
                    self._log.write(raw if raw.endswith(b"\n") else raw + b"\n")
                line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
                self._lines.add(line)
                if self._on_line is not None:
                    self._on_line(self.name, line)

    def _reap(self, child: subprocess.Popen[bytes], ended: threading.Event) -> None:
        child.wait()
        # What the leader left behind in its group would hold the output open and the ports taken.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        lifeline.forget(child.pid)
        ended.set()

    def _join_readers(self) -> None:
        """Read what is left of the output; a stranger who still holds the pipe is not waited for."""
        for reader in self._readers:
            reader.join(timeout=2.0)


def run_to_end(commands: Sequence[Process], timeout: float) -> None:
    """Run these at the same time to their end; ProcessEndedError for the first that fails."""
    try:
        for command in commands:
            command.start()
        for command in commands:
            if command.wait(timeout) != 0:
                command.close()  # its last words may still be on their way
                raise ProcessEndedError(command.name, command.returncode, command.log_lines[-20:])
    finally:
        for command in commands:
            command.close()


def together(works: Sequence[Callable[[], None]]) -> None:
    """Do these at the same time, each in a thread, and wait for all; raises what the first of them raised."""
    with ThreadPoolExecutor(max(len(works), 1)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
