"""CPU time by process, the children of a process included, and who may run on which core."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _OWN, _REAPED = 1, (11, 12), (13, 14)
"""Places in /proc/<pid>/stat, counted from behind the name: see proc_pid_stat(5)."""


@cache  # asked again after this process has gone to the others, it would find one core only
def cores() -> tuple[set[int], set[int]]:
    """The core of the program under test, and those of everything else; all share where there is only one."""
    mine = sorted(os.sched_getaffinity(0))
    return {mine[0]}, set(mine[1:]) or set(mine)


def seconds(pid: int) -> float:
    """User and system time of a process, of its living children, and of those that ended; the kernel's clock ticks every 10 ms."""
    own = _stat(pid)
    used = sum(own[place] for place in (*_OWN, *_REAPED))
    return (used + sum(sum(stat[place] for place in (*_OWN, *_REAPED)) for _, stat in _children(pid))) / _TICKS


def used_since(before: Mapping[str, float], pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of CPU that each of these has used since `readings`."""
    now = readings(pids)
    return {name: now[name] - before[name] for name in pids}


def readings(pids: Mapping[str, int]) -> dict[str, float]:
    """The CPU clocks of several processes."""
    return {name: seconds(pid) for name, pid in pids.items()}


def pin(pid: int, to: Iterable[int]) -> None:
    """Keep a process, its threads and its living children on these cores; what they start later stays there too."""
    allowed = set(to)
    for process in (pid, *(child for child, _ in _children(pid))):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(ProcessLookupError, PermissionError):
                os.sched_setaffinity(int(thread.name), allowed)


def _children(pid: int) -> Iterator[tuple[int, list[int]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                stat = _stat(int(folder.name))
                if stat[_PARENT] == pid:
                    yield int(folder.name), stat


def _stat(pid: int) -> list[int]:
    """The numbers of /proc/<pid>/stat from behind the name, the first of which is the state."""
    _, *numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [0, *map(int, numbers)]
