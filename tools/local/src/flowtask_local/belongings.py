"""What lies in a home: which names are FlowTask's, what a crash left half made, and whether the rest fits together."""

import shutil
from pathlib import Path

from .errors import BrokenHomeError
from .files import half_written, read_object
from .home import Home, process_in
from .keys import SUPERUSER

_DATA = ("postgres", "nats", "logs", "listeners", "postgres.new")
_FILES = ("lock", "secrets.json", "ports.json", "schemas.json", "local.json", "postgres.password", ".DS_Store")


def removal_mark(home: Home) -> Path:
    """The file that a `flowtask reset` makes first and removes last: while it is there, the rest is to go."""
    return home.path / "being-removed"


def ours(home: Home) -> list[Path]:
    """Everything in the folder that FlowTask made."""
    return [path for path in _entries(home) if _is_ours(home, path)]


def strangers(home: Home) -> list[Path]:
    """Everything in the folder that FlowTask did not make."""
    return [path for path in _entries(home) if not _is_ours(home, path)]


def half_made(home: Home) -> list[Path]:
    """What a crash in the middle of making it has left; it is worth nothing, and no process may hold the folder."""
    whole = (home.secrets_file, home.ports_file, home.schemas_file, home.local_file, home.nats / "nats.conf")
    candidates = [home.path / "postgres.new", home.path / "postgres.password"]
    return [path for file in whole for path in half_written(file)] + [path for path in candidates if path.exists()]


def tidy(home: Home) -> None:
    """Remove what is half made, and all of it when a `flowtask reset` was cut short; the folder must be held."""
    if removal_mark(home).exists():
        remove(home)
        removal_mark(home).unlink()
    for path in half_made(home):
        _delete(path)


def remove(home: Home) -> None:
    """Delete everything that is FlowTask's but the mark and the lock; one that is cut short is finished by `tidy`.

    The mark comes first, so that no later start takes what is left for a whole.
    """
    removal_mark(home).write_text("`flowtask reset` was cut short here; the next start or reset ends it.\n", "utf-8")
    for path in ours(home):
        if path not in {home.lock_file, removal_mark(home)}:
            _delete(path)


def check(home: Home) -> None:
    """BrokenHomeError, with what to do, when the data here cannot be opened, or only by guessing."""
    data, file = home.postgres, home.secrets_file
    if removal_mark(home).exists() or not data.exists() or not any(data.iterdir()):
        return
    if not (data / "PG_VERSION").exists():
        raise BrokenHomeError(
            f"{data} is not empty and not a PostgreSQL data folder: move it away, or choose another folder with --home."
        )
    password = read_object(file).get(SUPERUSER)
    if not isinstance(password, str) or not password:
        state = "is damaged" if file.exists() else "is gone"
        raise BrokenHomeError(
            f"{file} {state}, and the database beside it cannot be opened without it. Put it back from a copy, or "
            "begin anew without the data with `make reset` (`flowtask reset`)."
        )


def _entries(home: Home) -> list[Path]:
    return sorted(home.path.iterdir())


def _is_ours(home: Home, path: Path) -> bool:
    if path.name in _DATA:
        return path.is_dir()
    if path.name in _FILES or path == removal_mark(home) or path in half_made(home):
        return path.is_file()
    return path.suffix == ".lock" and path.is_file() and (path.stat().st_size == 0 or process_in(path) is not None)


def _delete(path: Path) -> None:
    """A link goes, and what it points to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
