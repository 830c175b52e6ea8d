"""The output of processes: kept in memory, kept in files, and made readable."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_KEPT_FILES = 3
_KEPT_LINES = 20_000
_FILE_BYTES = 20_000_000

LineSink = Callable[[str, str], None]
"""Receives (process name, line without its newline), from the thread that reads the process."""


class LogFile:
    """Raw lines on disk: a new file at each start and past 20 MB, three older ones kept as `.1` to `.3`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = self._fresh()

    def write(self, line: bytes) -> None:
        """Append one line, newline included; one that a full disk does not take is left out, for nobody may wait for a log."""
        with contextlib.suppress(OSError):
            if self._file.tell() > _FILE_BYTES:
                full, self._file = self._file, self._fresh()
                full.close()
            self._file.write(line)

    def close(self) -> None:
        """Close the file; writing afterwards is an error."""
        self._file.close()

    def _fresh(self) -> BinaryIO:
        if self._path.exists() and self._path.stat().st_size > 0:
            for number in range(_KEPT_FILES, 0, -1):
                older = self._numbered(number - 1)
                if older.exists():
                    older.replace(self._numbered(number))
        file = self._path.open("ab", buffering=0)
        self._path.chmod(0o600)
        return file

    def _numbered(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{self._path.name}.{number}")


class Lines:
    """The latest lines of a process, for those who look back and those who wait for one to come."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._changed = threading.Condition()

    def add(self, line: str) -> None:
        """Keep a line and wake whoever waits."""
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()

    def all(self) -> list[str]:
        """Every kept line, the oldest first."""
        with self._changed:
            return list(self._lines)

    def tail(self, count: int = 20) -> list[str]:
        """The last lines, the oldest first."""
        return self.all()[-count:]

    def wait_for(self, wanted: Callable[[str], bool], timeout: float) -> str | None:
        """The first kept or coming line that is wanted, or None when it does not come in time (seconds)."""

        def found() -> str | None:
            return next((line for line in self._lines if wanted(line)), None)

        with self._changed:
            return self._changed.wait_for(found, timeout)
