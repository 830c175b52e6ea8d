"""Which user PostgreSQL runs as: it refuses to run as root, so root hands it to somebody else."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from .errors import LocalError


@dataclass(frozen=True)
class Identity:
    """A user and a group by number; the user need not be in the password file."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Make this one file or folder theirs; nothing above it is touched."""
        os.chown(path, self.uid, self.gid)


def stand_in(data_dir: Path) -> Identity | None:
    """Whom a child of root becomes: the owner of the data, else of their folder, else `nobody`, else any normal user.

    None when we are not root: then the child is who we are. PostgreSQL wants a user that has a name.
    """
    if os.geteuid() != 0:
        return None
    if data_dir.exists() and data_dir.stat().st_uid != 0:
        return Identity(data_dir.stat().st_uid, data_dir.stat().st_gid)
    known = {user.pw_uid: user for user in reversed(pwd.getpwall()) if user.pw_uid != 0}
    folder = next(parent for parent in data_dir.parents if parent.exists())
    nobody = next((user.pw_uid for user in known.values() if user.pw_name == "nobody"), None)
    for uid in (folder.stat().st_uid, nobody, *sorted(known)):
        if uid in known:
            return Identity(known[uid].pw_uid, known[uid].pw_gid)
    raise LocalError("PostgreSQL does not run as root, and this machine has no other user to run it as.")
