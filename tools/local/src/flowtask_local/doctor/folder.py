"""Checks of the folder: whether a database can live there, who holds it, and whether what lies in it fits together."""

import errno
import fcntl
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .. import belongings
from ..errors import LocalError
from ..home import Home, is_locked, still_runs
from ..space import MIB, free_bytes
from .finding import Finding, Status, ok, problem, warning

_NEEDED, _COMFORTABLE = 300 * MIB, 1024 * MIB
_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "9p", "vboxsf", "vmhgfs", "prl_fs", "fuse.sshfs"}
)
_SYNCED = ("Dropbox", "OneDrive", "Google Drive", "GoogleDrive", "Mobile Documents", "Nextcloud", "iCloud")


def everything(home: Home) -> list[Finding]:
    """All of these, or the first alone when there is no using the folder; nothing is made or changed."""
    usable = _writable(home)
    if usable.status is Status.PROBLEM:
        return [usable]
    checks = (_locks, _file_system, _space, _holder, _leftovers, _fits)
    return [usable, *(check(home) for check in checks)]


def _place(home: Home) -> Path:
    """The folder itself, or the nearest one above that exists."""
    return next(place for place in (home.path, *home.path.parents) if place.exists())


def _writable(home: Home) -> Finding:
    place = _place(home)
    found = str(home.path) if place == home.path else f"{home.path}, not made yet"
    if not place.is_dir():
        return problem("folder", f"{place} is not a folder", "Choose another folder with --home.")
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return problem("folder", f"this user may not write into {place}", "Choose another folder with --home.")
    return ok("folder", found)


def _locks(home: Home) -> Finding:
    """Both are tried on the folder itself, which leaves no trace."""
    handle = os.open(_place(home), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.fsync(handle)
    except BlockingIOError:
        return ok("locks and fsync", "both work")
    except OSError as error:
        if error.errno == errno.EINVAL:
            return ok("locks and fsync", "locks work; fsync of folders is not offered here")
        return problem(
            "locks and fsync", str(error.strerror), "A database cannot live here: use --home on a local disk."
        )
    finally:
        os.close(handle)
    return ok("locks and fsync", "both work")


def _file_system(home: Home) -> Finding:
    place = _place(home).resolve()
    kind = kind_of(place, mounts())
    synced = next((name for name in _SYNCED if any(part.startswith(name) for part in home.path.resolve().parts)), None)
    if kind in _REMOTE or synced is not None:
        what = f"shared over a network ({kind})" if kind in _REMOTE else f"synchronised ({synced})"
        return warning(
            "file system", what, "Databases are slow there or break: use --home with a folder on a local disk."
        )
    return ok("file system", kind or "not told by this system")


def mounts() -> str:
    """What is mounted, in the words of this system: mountinfo on Linux (proc(5)), the output of `mount` elsewhere."""
    if platform.system() == "Linux":
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    return subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False, timeout=5).stdout


def kind_of(place: Path, told: str) -> str:
    """The kind of file system below a folder; empty when it is not told."""
    below = [(point, kind) for point, kind in _points(told) if place == Path(point) or Path(point) in place.parents]
    return max(reversed(below), key=lambda found: len(found[0]), default=("", ""))[1]


def _points(told: str) -> Iterator[tuple[str, str]]:
    for row in told.splitlines():
        left, dash, right = row.partition(" - ")
        if dash:
            yield left.split()[4].replace("\\040", " "), right.split()[0]
        elif " on " in row and " (" in row:
            point, _, details = row.partition(" on ")[2].rpartition(" (")
            yield point, details.split(",")[0].rstrip(")")


def _space(home: Home) -> Finding:
    free = free_bytes(home.path)
    found = f"{free // MIB} MB are free"
    if free < _NEEDED:
        return problem(
            "disk", found, f"FlowTask needs {_NEEDED // MIB} MB to start: make room, or use --home elsewhere."
        )
    if free < _COMFORTABLE:
        return warning("disk", found, "It is enough to start, not for much data: make room.")
    return ok("disk", found)


def _holder(home: Home) -> Finding:
    if not home.taken:
        return ok("held by", "nobody")
    pid, since = home.holder(), home.since()
    when = "" if since is None else f" since {since:%Y-%m-%d %H:%M:%S}"
    return ok("held by", f"process {pid if pid is not None else 'unknown'}{when}")


def _leftovers(home: Home) -> Finding:
    if home.taken:
        return ok("leftovers", "not looked for while FlowTask runs")
    running = [lock for lock in home.locks() if is_locked(lock)]
    if running:
        return problem("leftovers", f"{len(running)} processes of an earlier start", still_runs(running[0]))
    if home.path.is_dir() and (belongings.half_made(home) or belongings.removal_mark(home).exists()):
        return ok("leftovers", "of a crash; the next start clears them away")
    return ok("leftovers", "none")


def _fits(home: Home) -> Finding:
    if not home.path.is_dir():
        return ok("data", "none yet")
    try:
        belongings.check(home)
    except LocalError as error:
        return problem("data", "they do not fit together", str(error))
    return ok("data", "they fit together" if home.postgres.exists() else "none yet")
