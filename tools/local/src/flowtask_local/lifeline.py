"""Children that cannot outlive this process, whatever ends it.

Two nets. A guardian process in its own session holds the other end of a pipe and ends every registered group when the
pipe closes. On Linux the kernel also signals each child when its parent dies; that follows the *thread* that started the
child, so one thread which lives as long as this process starts them all.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .privileges import Identity

_HERE = Path(__file__).parent
_PYTHON = (sys.executable, "-I", "-S")


@dataclass(frozen=True, kw_only=True)
class Order:
    """How to start one program: its signals from the weakest to KILL; a lock it holds while it or a child of it lives,
    and the files of a predecessor which go once it has the lock; and, when root starts it, the user it becomes and the
    paths which that user must be able to read.
    """

    command: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    signals: tuple[str, ...] = ("TERM", "KILL")
    lock: Path | None = None
    stale: tuple[str, ...] = ()
    identity: Identity | None = None
    needs: tuple[str, ...] = ()


class Lifeline:
    """Starts children and tells the guardian of them; safe to use from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="flowtask-spawner")
        self._guardian: subprocess.Popen[bytes] | None = None
        self._living: dict[int, tuple[str, ...]] = {}

    def spawn(self, order: Order) -> subprocess.Popen[bytes]:
        """Start the program in its own session; its stdout and stderr come together through the pipe `stdout`."""
        return self._spawner.submit(self._spawn, order).result()

    def forget(self, pid: int) -> None:
        """Take a group back whose leader has ended."""
        with self._mutex:
            self._living.pop(pid, None)
            self._tell(f"- {pid}\n")

    def close(self) -> None:
        """Let the guardian end what is still registered, and wait for it."""
        with self._mutex:
            guardian, self._guardian = self._guardian, None
        if guardian is not None and guardian.stdin is not None:
            guardian.stdin.close()
            guardian.wait()
        self._spawner.shutdown(wait=False)

    def _spawn(self, order: Order) -> subprocess.Popen[bytes]:
        with self._mutex:
            pipe = self._pipe()
            child = subprocess.Popen(  # noqa: S603 - the launcher runs our own commands, no shell
                [*_PYTHON, str(_HERE / "launcher.py"), json.dumps(self._as_json(order, pipe))],
                env=dict(order.env),
                cwd=order.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(pipe,),
            )
            self._living[child.pid] = order.signals
            return child

    def _as_json(self, order: Order, pipe: int) -> dict[str, object]:
        return {
            "command": list(order.command),
            "signals": list(order.signals),
            "lifeline": pipe,
            "parent": os.getpid(),
            "lock": None if order.lock is None else str(order.lock),
            "stale": list(order.stale),
            "uid": None if order.identity is None else order.identity.uid,
            "gid": None if order.identity is None else order.identity.gid,
            "needs": list(order.needs),
        }

    def _pipe(self) -> int:
        """The writing end to a guardian that lives; a new one learns of everything its predecessor knew."""
        if self._guardian is None or self._guardian.poll() is not None:
            if self._guardian is not None and self._guardian.stdin is not None:
                self._guardian.stdin.close()
            self._guardian = subprocess.Popen(  # noqa: S603 - our own script, no shell
                [*_PYTHON, str(_HERE / "guardian.py")],
                env={},
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                bufsize=0,
            )
            for pid, signals in self._living.items():
                self._tell(f"+ {pid} {','.join(signals)}\n")
        assert self._guardian.stdin is not None
        return self._guardian.stdin.fileno()

    def _tell(self, line: str) -> None:
        if self._guardian is None or self._guardian.stdin is None:
            return
        try:
            self._guardian.stdin.write(line.encode())
        except (BrokenPipeError, ValueError):
            return


_lifelines: dict[int, Lifeline] = {}
_making = threading.Lock()


def lifeline() -> Lifeline:
    """The one lifeline of this process."""
    with _making:
        if os.getpid() not in _lifelines:
            _lifelines[os.getpid()] = Lifeline()
            atexit.register(_lifelines[os.getpid()].close)
        return _lifelines[os.getpid()]


def spawn(order: Order) -> subprocess.Popen[bytes]:
    """Start a program that cannot outlive this process."""
    return lifeline().spawn(order)


def forget(pid: int) -> None:
    """Say that the group of this process has ended."""
    lifeline().forget(pid)
