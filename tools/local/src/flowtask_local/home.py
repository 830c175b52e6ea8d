"""The folder in which everything of one local FlowTask lies, and who holds it."""

import fcntl
import os
import time
from datetime import datetime
from pathlib import Path

from .errors import BrokenHomeError, HomeHeldError

_LEFTOVER_SECONDS = 15.0


class Home:
    """One folder: databases, logs, secrets, ports. One process at a time may hold it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    @property
    def lock_file(self) -> Path:
        """What the holder keeps locked; it names its process."""
        return self.path / "lock"

    @property
    def local_file(self) -> Path:
        """What other programs read to find this FlowTask: URL, key, process ids."""
        return self.path / "local.json"

    @property
    def secrets_file(self) -> Path:
        """Every generated password and key."""
        return self.path / "secrets.json"

    @property
    def ports_file(self) -> Path:
        """The ports of the last start."""
        return self.path / "ports.json"

    @property
    def schemas_file(self) -> Path:
        """What the migrations of the last start led to."""
        return self.path / "schemas.json"

    @property
    def postgres(self) -> Path:
        """The data folder of PostgreSQL."""
        return self.path / "postgres"

    @property
    def nats(self) -> Path:
        """The data folder of NATS."""
        return self.path / "nats"

    @property
    def listeners(self) -> Path:
        """The folder with a file for each endpoint of a `flowtask listen`."""
        return self.path / "listeners"

    @property
    def held(self) -> bool:
        """True while this object holds the folder."""
        return self._lock is not None

    def log(self, name: str) -> Path:
        """The log file of one process."""
        return self.path / "logs" / f"{name}.log"

    def lock(self, name: str) -> Path:
        """The file that one process keeps locked while it lives."""
        return self.path / f"{name}.lock"

    def locks(self) -> list[Path]:
        """Every such file that there is."""
        return sorted(self.path.glob("*.lock"))

    def make(self) -> None:
        """Make the folder, closed to others; root leaves it passable, for PostgreSQL runs as somebody else then."""
        if not self.path.exists():
            self.path.mkdir(parents=True)
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)

    def hold(self) -> None:
        """Take the folder; HomeHeldError, which names the process, when another one has it."""
        while self._lock is None:
            self.make()
            handle = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
            if not _lock(handle):
                os.close(handle)
                raise HomeHeldError(str(self.path), self.holder(), self.since())
            if _is_at(handle, self.lock_file):
                self._lock = handle
            else:  # a `flowtask reset` has just removed this file: the one that counts is another
                os.close(handle)
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def wait_for_leftovers(self, timeout: float = _LEFTOVER_SECONDS) -> None:
        """Wait until every process of a crashed predecessor is gone, so that ports and data are free again."""
        deadline = time.monotonic() + timeout
        for lock in self.locks():
            while is_locked(lock):
                if time.monotonic() > deadline:
                    raise BrokenHomeError(still_runs(lock))
                time.sleep(0.05)

    @property
    def taken(self) -> bool:
        """True while a living process holds the folder."""
        return is_locked(self.lock_file)

    def holder(self) -> int | None:
        """The process that holds the folder now; None when nobody does. A crashed holder holds nothing."""
        return process_in(self.lock_file) if self.taken else None

    def since(self) -> datetime | None:
        """When the holder took the folder; None when nobody holds it."""
        try:
            return datetime.fromtimestamp(self.lock_file.stat().st_mtime).astimezone() if self.taken else None
        except FileNotFoundError:
            return None


def _lock(handle: int) -> bool:
    """Lock the file for good; tried for a moment, because whoever looks whether it is locked locks it for that look."""
    for _ in range(10):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _is_at(handle: int, path: Path) -> bool:
    """Whether this open file is the one that lies at the path now."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def still_runs(lock: Path) -> str:
    """The sentence about a process of an earlier start that holds its lock."""
    pid = process_in(lock)
    return (
        f"{lock.stem} of an earlier start still runs and holds {lock}: "
        f"end it{'' if pid is None else f' with `kill -9 {pid}`'} and start again."
    )


def process_in(lock: Path) -> int | None:
    """The process id that a lock file names; None when it names none."""
    text = lock.read_text(encoding="utf-8", errors="replace").strip()
    return int(text) if text.isascii() and text.isdigit() else None


def is_locked(path: Path) -> bool:
    """Whether a living process holds this lock; a lock file alone says nothing."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
