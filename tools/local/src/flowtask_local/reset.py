"""`flowtask reset`: remove the data of a local FlowTask, and nothing else."""

import os
import sys
from pathlib import Path

from . import belongings
from .errors import BrokenHomeError, HomeHeldError, LocalError
from .home import Home
from .space import MIB

_NAMED = 5
_DECLINED = 1


def reset(home_path: Path, *, yes: bool = False) -> int:
    """Remove the folder after asking; 0 also when there is nothing to remove, 1 when the answer is no.

    A folder with anything in it that FlowTask did not make is refused. Of a folder behind a link the content goes; link and
    folder stay.
    """
    home = Home(home_path.resolve())
    if home.path.exists():
        _refuse_what_is_not_yours(home)
    if not home.path.exists() or not any(home.path.iterdir()):
        _say(f"Nothing to remove: there is no FlowTask in {home.path}.")
        return 0
    if home.taken:
        raise HomeHeldError(str(home.path), home.holder(), home.since())
    _refuse_what_is_not_ours(home)
    if not yes and not _agreed(home):
        _say("Nothing was removed.")
        return _DECLINED
    _remove(home, keep_folder=home_path.is_symlink())
    _say(f"Removed the FlowTask in {home.path}; `make up` begins anew.")
    return 0


def _refuse_what_is_not_yours(home: Home) -> None:
    if not home.path.is_dir():
        raise BrokenHomeError(f"{home.path} is not a folder, so it is no FlowTask's; nothing was removed.")
    owner = home.path.stat().st_uid
    if os.geteuid() not in {0, owner}:
        raise BrokenHomeError(f"{home.path} belongs to user {owner}; reset it as root or as that user.")


def _refuse_what_is_not_ours(home: Home) -> None:
    data = (home.secrets_file, home.ports_file, home.postgres)
    marked = belongings.removal_mark(home).exists() or (home.lock_file.exists() and any(path.exists() for path in data))
    others = belongings.strangers(home)
    if marked and not others:
        return
    if not marked:
        raise BrokenHomeError(f"{home.path} does not look like the folder of a FlowTask; nothing was removed.")
    names = ", ".join(path.name for path in others[:_NAMED]) + (" and more" if len(others) > _NAMED else "")
    raise BrokenHomeError(
        f"{home.path} also holds what FlowTask did not put there ({names}): move that away and try again; "
        "nothing was removed."
    )


def _agreed(home: Home) -> bool:
    if not sys.stdin.isatty():
        raise LocalError("`flowtask reset` asks before it removes anything, and here is nobody to ask: add --yes.")
    _say(
        f"{home.path} holds {_size(home.path) / MIB:.0f} MB: every workspace, project, task, webhook, delivery and key of "
        "this FlowTask, and its logs. They cannot be brought back."
    )
    sys.stdout.write("Remove it? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _remove(home: Home, *, keep_folder: bool) -> None:
    """Everything under the lock; the lock and then the mark last, so that what a crash leaves is never taken for a whole."""
    home.hold()
    try:
        home.wait_for_leftovers()
        _refuse_what_is_not_ours(home)
        belongings.remove(home)
        home.lock_file.unlink()
        belongings.removal_mark(home).unlink()
    finally:
        home.release()
    if not keep_folder:
        _remove_empty(home.path)


def _remove_empty(folder: Path) -> None:
    """The folder goes unless it is a mount point, its parent is closed, or somebody begins to use it at this moment."""
    try:
        folder.rmdir()
    except OSError:
        return


def _size(folder: Path) -> int:
    """What the folder takes of the disk, in bytes."""
    return sum((Path(place) / name).lstat().st_blocks * 512 for place, _, names in os.walk(folder) for name in names)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
