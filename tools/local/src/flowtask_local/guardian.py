"""Ends the registered process groups when the supervisor is gone, however it ended.

Run as `python -I -S guardian.py` in a session of its own by `lifeline.py`. Its standard input is a pipe whose other end only the
supervisor holds; the kernel closes that end whatever kills the supervisor, SIGKILL included. Lines on the pipe:
`+ <process group> <signals, weakest first>` and `- <process group>`.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

_STEP_SECONDS = 2.0
_LOOK_SECONDS = 0.02

Groups = dict[int, list[signal.Signals]]


def main() -> None:
    """Follow the pipe until it closes, then end what is still registered."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    end(follow(sys.stdin.buffer))


def follow(lines: BinaryIO) -> Groups:
    """The groups that are registered and not taken back when the pipe closes."""
    groups: Groups = {}
    for line in lines:
        match line.decode().split():
            case ["+", group, names]:
                groups[int(group)] = [signal.Signals[f"SIG{name}"] for name in names.split(",")]
            case ["-", group]:
                groups.pop(int(group), None)
            case _:
                continue
    return groups


def end(groups: Mapping[int, list[signal.Signals]]) -> None:
    """Send each group its signals, the weakest first, two seconds apart, until none is left."""
    steps = max((len(signals) for signals in groups.values()), default=0)
    for step in range(steps):
        for group, signals in groups.items():
            _send(group, signals[min(step, len(signals) - 1)])
        deadline = time.monotonic() + _STEP_SECONDS
        while living := _living(groups):
            if time.monotonic() > deadline:
                break
            time.sleep(_LOOK_SECONDS)
        if not living:
            return


def _send(group: int, what: signal.Signals) -> None:
    try:
        os.killpg(group, what)
    except (ProcessLookupError, PermissionError):
        return


def _living(groups: Iterable[int]) -> set[int]:
    """The groups with a member that still runs. Where /proc tells, the dead whom nobody buries do not count."""
    if os.path.exists("/proc/self/stat"):  # noqa: PTH110
        return {group for group, state in _members() if state not in "ZX"}.intersection(groups)
    return {group for group in groups if _exists(group)}


def _members() -> Iterator[tuple[int, str]]:
    """(group, state) of every process; proc(5): after the name in parentheses come state, parent and group."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would cost each start ten milliseconds
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    state, _, group = file.read().rpartition(b")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            yield int(group), state.decode()


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
