"""Places where a test can have the process die as hard as a power cut would kill it. Off unless settings arm them."""

import os
import re
import signal
import sys

_ENTRY = re.compile(r"(?P<name>[a-z][a-z0-9.\-]*)(:(?P<passes>[1-9][0-9]*))?")
_armed: dict[str, int] = {}


def arm(spec: str) -> None:
    """Arm the points of `name:n,...`; n is how many passes it takes (1 when left out).

    Raises ValueError for a spec that cannot be read, so that a test never waits for a point that is not there.
    """
    _armed.clear()
    for entry in filter(None, (part.strip() for part in spec.split(","))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError(f"not a crashpoint: {entry!r}")
        _armed[match["name"]] = int(match["passes"] or 1)


def crashpoint(name: str) -> None:
    """Die here by SIGKILL if the point is armed and its count is reached, after saying so on stderr."""
    if not _armed or name not in _armed:
        return
    _armed[name] -= 1
    if _armed[name] <= 0:
        sys.stderr.write(f'{{"event":"crashpoint reached","level":"critical","crashpoint":"{name}"}}\n')
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)
