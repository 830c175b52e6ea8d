"""Checks of the machine: interpreter, platform, memory, limits, clock, locale, proxies."""

import datetime as dt
import locale
import os
import platform
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

from ..ports import HOST
from ..space import MIB
from .finding import Finding, ok, problem, warning

_PYTHON = (3, 11)
_MACHINES = {"Linux": {"x86_64", "aarch64"}, "Darwin": {"x86_64", "arm64"}}
_GLIBC = (2, 28)
_MEMORY = 512 * MIB
_OPEN_FILES = 1024
_CGROUP = Path("/sys/fs/cgroup")
_DAY = 86_400.0


def python() -> Finding:
    """The interpreter is new enough."""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < _PYTHON:
        return problem("Python", found, "FlowTask needs Python 3.11 or newer: install one and run `make up` again.")
    return ok("Python", found)


def wheels(system: str, machine: str, libc: tuple[str, str]) -> Finding:
    """PostgreSQL's wheel, the choosiest, exists for this system, machine and C library."""
    found = " ".join(filter(None, (system, machine, *(libc if system == "Linux" else ()))))
    advice = (
        "PostgreSQL comes for macOS and for Linux with glibc 2.28 or newer, on x86-64 and ARM64; with a PostgreSQL and a "
        "NATS that you already have FlowTask runs all the same, see docs/local.md."
    )
    covered = machine in _MACHINES.get(system, set())
    if system == "Linux":
        covered = covered and libc[0] == "glibc" and _version(libc[1]) >= _GLIBC
    return ok("platform", found) if covered else problem("platform", found, advice)


def memory() -> Finding | None:
    """There is memory for PostgreSQL, NATS and the services; None where the system does not say in a file."""
    free = free_memory(Path("/proc/meminfo"), _CGROUP)
    if free is None:
        return None
    found = f"{free // MIB} MB are free"
    if free < _MEMORY:
        return warning("memory", found, f"FlowTask takes about {_MEMORY // MIB} MB: end something else first.")
    return ok("memory", found)


def free_memory(meminfo: Path, cgroup: Path) -> int | None:
    """Bytes that may still be used here, under the limit of a container if it has one; None when there is no such file."""
    if not meminfo.exists():
        return None
    rows = dict(row.split(":", maxsplit=1) for row in meminfo.read_text(encoding="ascii").splitlines())
    free = int(rows["MemAvailable"].split()[0]) * 1024
    limit, used = cgroup / "memory.max", cgroup / "memory.current"
    if limit.exists() and used.exists() and (most := limit.read_text(encoding="ascii").strip()).isdigit():
        free = min(free, max(0, int(most) - int(used.read_text(encoding="ascii"))))
    return free


def open_files() -> Finding:
    """A process may open enough files: the webhook-dispatcher holds a connection for each attempt under way."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return ok("open files", "unlimited")
    found = f"{limit} for each process"
    if limit < _OPEN_FILES:
        return warning(
            "open files",
            found,
            "The webhook-dispatcher sends up to 512 webhooks at once, each over a connection of its own: "
            "say `ulimit -n 4096` before `make up`.",
        )
    return ok("open files", found)


def clock(now: float) -> Finding:
    """The clock is not behind the files of this program: signatures carry the time, and receivers compare it."""
    shown = f"{dt.datetime.fromtimestamp(now).astimezone():%Y-%m-%d %H:%M:%S %z}"
    if now < Path(__file__).stat().st_mtime - _DAY:
        return warning("clock", f"{shown}, before FlowTask was installed", "Set the clock of this machine.")
    return ok("clock", shown)


def encoding() -> Finding:
    """Text is UTF-8 by default, as all that FlowTask writes."""
    names = {locale.getpreferredencoding(do_setlocale=False), sys.getfilesystemencoding()}
    other = sorted(name for name in names if name.lower().replace("-", "") != "utf8")
    if other:
        return warning("locale", ", ".join(other), "Names that are not ASCII may look odd: `export LC_ALL=C.UTF-8`.")
    return ok("locale", "UTF-8")


def proxies(environment: Mapping[str, str]) -> Finding:
    """No proxy catches calls to 127.0.0.1; the address of a proxy is not printed, it may hold a password."""
    names = [name for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY") if environment.get(name)]
    if not names:
        return ok("proxies", "none for http")
    spared = environment.get("no_proxy", environment.get("NO_PROXY", ""))
    if {part.strip() for part in spared.split(",")} & {"*", HOST, "127.0.0.0/8"}:
        return ok("proxies", f"{', '.join(names)}, not for {HOST}")
    return warning(
        "proxies",
        f"{', '.join(names)}, also for {HOST}",
        f"curl would send your calls to the API through the proxy: `export no_proxy={HOST},localhost`.",
    )


def everything() -> list[Finding | None]:
    """All of these, of the machine as it is."""
    return [
        python(),
        wheels(platform.system(), platform.machine(), platform.libc_ver()),
        memory(),
        open_files(),
        clock(dt.datetime.now(dt.UTC).timestamp()),
        encoding(),
        proxies(os.environ),
    ]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
