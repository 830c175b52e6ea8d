"""Who listens on a port: an answer alone does not say whether it came from our process or from a stranger's."""

import os
import sys
from pathlib import Path

_LISTENING = "0A"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def listens(pid: int, port: int) -> bool:
    """Whether this process itself listens on the port; True also where the system does not tell, as on macOS."""
    if sys.platform != "linux":
        return True
    try:
        sockets = _sockets(port)
        return any(_target(f"/proc/{pid}/fd/{number}") in sockets for number in os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
    except FileNotFoundError:
        return False
    except PermissionError:
        return True


def _sockets(port: int) -> set[str]:
    """The sockets that listen on a port, as links of open files name them; proc(5) describes the columns."""
    found = set()
    for table in _TABLES:
        for row in table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else ():
            _, local, _, state, _, _, _, _, _, inode, *_ = row.split()
            if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                found.add(f"socket:[{inode}]")
    return found


def _target(link: str) -> str:
    """Where the link leads; nowhere when the file was closed meanwhile."""
    try:
        return os.readlink(link)  # noqa: PTH115
    except FileNotFoundError:
        return ""
