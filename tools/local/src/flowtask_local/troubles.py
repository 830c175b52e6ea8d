"""What goes wrong on machines, as a sentence for the person at the keyboard."""

import errno
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from .errors import HomeHeldError, LocalError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL_IN_WORDS = ("No space left on device", "Disk quota exceeded", "no space left on device")


def told(home: Path, work: Callable[[], int]) -> int:
    """Do the work; whatever it raises becomes a sentence on stderr. The exit code: 2 for a held folder, 1 for the rest."""
    try:
        return work()
    except HomeHeldError as error:
        _say(str(error))
        return 2
    except Exception as error:  # noqa: BLE001 - a stack trace helps nobody here; it goes into a file
        _say(sentence(error, home) or _unexpected(error, home))
        return 1


def sentence(error: Exception, home: Path) -> str | None:
    """What to tell; None for an error that nobody thought of."""
    if isinstance(error, LocalError):
        return _full(home) if any(words in str(error) for words in _FULL_IN_WORDS) else str(error)
    if not isinstance(error, OSError):
        return None
    if error.errno in _FULL:
        return _full(home)
    where = error.filename or home
    if error.errno in _CLOSED:
        return f"This user may not use {where} ({error.strerror}). Choose another folder with --home."
    return f"{where}: {error.strerror or error}."


def _full(home: Path) -> str:
    return f"The disk that holds {home.absolute()} is full: make room and start again; nothing is lost."


def _unexpected(error: Exception, home: Path) -> str:
    told = f"This should not have happened: {type(error).__name__}: {error}."
    log = home / "logs" / "flowtask.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        log.chmod(0o600)
    except OSError:
        return told
    return f"{told} The details are in {log}."


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
