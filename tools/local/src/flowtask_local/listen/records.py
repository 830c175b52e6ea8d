"""What a listener writes down of its endpoint, so that a later one can remove it whatever ended the first."""

import fcntl
import json
import os
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4


@dataclass
class Entry:
    """What stands in a record: the call that makes an endpoint, with its Idempotency-Key, and the id once it is known."""

    workspace_id: str
    key: str
    body: dict[str, Any]
    endpoint_id: str | None = None


class Record:
    """A file of one endpoint, made or perhaps made, locked while its listener lives; only its owner can read it."""

    def __init__(self, path: Path, handle: int, entry: Entry) -> None:
        self.entry = entry
        self._path = path
        self._handle: int | None = handle

    @classmethod
    def begin(cls, folder: Path, workspace_id: str, body: dict[str, Any]) -> Self:
        """Write down that an endpoint is about to be made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, handle = _new(folder)
        record = cls(path, handle, Entry(workspace_id, path.stem, body))
        record._write()
        return record

    def note(self, endpoint_id: str) -> None:
        """Write down the id of the endpoint that was made."""
        self.entry.endpoint_id = endpoint_id
        self._write()

    def drop(self) -> None:
        """Remove the file: there is no such endpoint any more."""
        self._path.unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """Unlock the file and let it lie, for whoever listens next."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _write(self) -> None:
        """One line over the old one, in one step: whoever reads the first line never sees a part of it."""
        assert self._handle is not None
        line = json.dumps(asdict(self.entry)).encode() + b"\n"
        os.pwrite(self._handle, line, 0)
        os.ftruncate(self._handle, len(line))
        os.fsync(self._handle)


def left(folder: Path) -> Generator[Record]:
    """The records of listeners that are dead, each locked while it is looked at, so that no two listeners take the same."""
    for path in sorted(folder.glob("*.json")):
        handle = _taken(path)
        if handle is None:
            continue
        entry = _read(path)
        if entry is None:
            path.unlink(missing_ok=True)
            os.close(handle)
            continue
        record = Record(path, handle, entry)
        try:
            yield record
        finally:
            record.leave()


def _new(folder: Path) -> tuple[Path, int]:
    """A new file, locked; another one when somebody took the first for a dead listener's before it was locked."""
    while True:
        path = folder / f"listen-{uuid4()}.json"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_at(handle, path):
            return path, handle
        os.close(handle)


def _taken(path: Path) -> int | None:
    """The file locked by this process; None when its listener lives, or when somebody has just removed it."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    if not _is_at(handle, path):
        os.close(handle)
        return None
    return handle


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _read(path: Path) -> Entry | None:
    """What stands in the file; None for what no listener wrote to its end, before which it makes no endpoint."""
    first, _, _ = path.read_bytes().partition(b"\n")
    try:
        return Entry(**json.loads(first))
    except (ValueError, TypeError):
        return None
