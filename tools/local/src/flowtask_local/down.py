"""`flowtask down`: end the FlowTask that holds a folder."""

import os
import signal
import sys
import time
from pathlib import Path

from .errors import LocalError
from .home import Home

_LOOK_SECONDS = 0.1
_STEPS = ((signal.SIGTERM, 40.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
"""Signals and the seconds each is given: the first asks, the second forces, the third cannot be refused."""


def down(home_path: Path) -> int:
    """Ask the holder to end and wait until it and all its processes are gone; 0 also when nothing runs."""
    home = Home(home_path)
    pid = _holder(home)
    if pid is None:
        _say(f"Nothing runs in {home.path}.")
        return 0
    _say(f"Ending FlowTask (process {pid}) ...")
    for number, seconds in _STEPS:
        _send(pid, number)
        if _gone(home, pid, seconds):
            home.wait_for_leftovers()
            _say("Ended.")
            return 0
    raise LocalError(f"Process {pid} does not end.")


def _holder(home: Home) -> int | None:
    """The process to end. It is read twice: in between a new holder has written over the id of a crashed one."""
    for _ in range(50):
        first = home.holder()
        time.sleep(_LOOK_SECONDS)
        second = home.holder()
        if second is not None and second == first:
            return second
        if second is None and not home.taken:
            return None
    raise LocalError(f"{home.path} is held by a process that does not say which it is.")


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise LocalError(f"FlowTask runs here as process {pid} of another user, who alone can end it.") from None


def _gone(home: Home, pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while home.holder() == pid:
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
