"""A whole FlowTask on this machine: PostgreSQL, NATS and every service, each with its own secrets and nothing more."""

import json
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import belongings, wiring
from .errors import LocalError, ProcessEndedError
from .home import Home
from .keys import Keys
from .logs import LineSink
from .nats import EmbeddedNats
from .ports import PortBook
from .postgres import EmbeddedPostgres
from .process import Process, run_to_end, together
from .schemas import Schemas
from .services import SERVICES, ServiceProcess, ServiceSpec, default_ports

DEMO_EMAIL = "demo@flowtask.local"
_COMMAND_SECONDS = 120.0
_PORT_TRIES = 5


class Stack:
    """Servers and services over one home folder.

    Every method blocks until what it says holds, and raises LocalError with the last log lines when it does not come to
    hold; in asyncio code call it through `asyncio.to_thread`. `services` is the table of what runs, `replicas` how many
    of each (one when not said), `extra_env` adds variables by service name, `credentials` are the provider variables,
    of which each service receives its own. With `fixed_ports` the well-known ports are tried first; otherwise all are
    free ones. The ports of a home stay the same from start to start while they are free. `postgres_settings` are put over
    those of a small server.
    """

    def __init__(
        self,
        home: Path,
        *,
        services: Sequence[ServiceSpec] = SERVICES,
        replicas: Mapping[str, int] | None = None,
        extra_env: Mapping[str, Mapping[str, str]] | None = None,
        credentials: Mapping[str, str] | None = None,
        fixed_ports: bool = False,
        durable: bool = True,
        postgres_settings: Mapping[str, str] | None = None,
        log_level: str = "info",
        on_line: LineSink | None = None,
        bin_dir: Path | None = None,
    ) -> None:
        self.home = Home(home)
        self.specs = {spec.name: spec for spec in services}
        self._replicas = dict(replicas or {})
        self._extra_env = {name: dict(env) for name, env in (extra_env or {}).items()}
        self._credentials = dict(credentials or {})
        self._defaults = default_ports(services) if fixed_ports else {}
        self._durable = durable
        self._postgres_settings = postgres_settings
        self._log_level = log_level
        self._on_line = on_line
        self._bin = bin_dir or Path(sysconfig.get_path("scripts"))
        self._running: dict[str, list[ServiceProcess]] = {name: [] for name in self.specs}
        self._changing = threading.RLock()
        self._servers: tuple[EmbeddedPostgres, EmbeddedNats] | None = None
        self._opened: tuple[Keys, PortBook] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The database server, once `start_servers` was called."""
        assert self._servers is not None, "start_servers() comes first"
        return self._servers[0]

    @property
    def nats(self) -> EmbeddedNats:
        """The message server, once `start_servers` was called."""
        assert self._servers is not None, "start_servers() comes first"
        return self._servers[1]

    @property
    def replaced_ports(self) -> dict[str, tuple[int, int]]:
        """Names whose wished port was taken, with (wished, given)."""
        return self._ports.replaced

    @property
    def processes(self) -> list[ServiceProcess]:
        """Every replica of every service that was started, running or not."""
        with self._changing:
            return [process for replicas in self._running.values() for process in replicas]

    def service(self, name: str, replica: int = 0) -> ServiceProcess:
        """One replica of a service that was started."""
        return self._running[name][replica]

    def up(self) -> None:
        """All of it, in order: servers, bootstrap, migrations, services."""
        self.start_servers()
        self.bootstrap()
        self.migrate()
        self.start()

    def start_servers(self) -> None:
        """Take the home folder and start PostgreSQL with its database, and NATS.

        When somebody takes a port at the last moment, both begin again on ports that are free.
        """
        if self._servers is None:
            self._open()
            self._servers = self._make_servers()
        for tries_left in reversed(range(_PORT_TRIES)):
            try:
                together([server.start for server in self._servers if not server.running])
                break
            except ProcessEndedError as error:
                if not error.for_lack_of_a_port or not tries_left:
                    raise
            for server in self._servers:
                server.close()
            self._servers = self._make_servers()
        self.postgres.create_database(wiring.DATABASE)

    def bootstrap(self) -> None:
        """Make roles, schemas, streams and durables; safe to repeat."""
        env = wiring.for_bootstrap(self._keys, self.postgres, self.nats)
        run_to_end([self._command("bootstrap", "flowtask-bootstrap", env=env)], _COMMAND_SECONDS)

    def migrate(self) -> None:
        """Bring the schema of every service to its newest version, all at the same time; those that are there stay."""
        schemas = Schemas(self.home.schemas_file, self.postgres, wiring.DATABASE)
        older = [spec for spec in self.specs.values() if not schemas.current(spec)]
        run_to_end(
            [
                self._command(f"{spec.name}-migrate", spec.program, "migrate", env=self.environment(spec.name))
                for spec in older
            ],
            _COMMAND_SECONDS,
        )
        for spec in older:
            schemas.keep(spec)

    def start(self, name: str | None = None) -> None:
        """Start all services, or the one named, with all their replicas, and wait until each is ready.

        One whose port somebody took at the last moment gets another.
        """
        wanted = [
            process
            for spec in (self.specs.values() if name is None else [self.specs[name]])
            for process in self._replicas_of(spec)
            if not process.running
        ]
        for process in wanted:
            process.start()
        for process in wanted:
            self._wait_ready(process)

    def start_again(self, process: ServiceProcess) -> None:
        """Start a service that has ended, on another port when somebody took its own meanwhile; does not wait for it."""
        process.move(self._ports.port(process.name))
        process.start()

    def add_replica(self, name: str, *, env: Mapping[str, str] | None = None) -> ServiceProcess:
        """One more replica of a service on a port of its own, started and ready."""
        process = self._make(self.specs[name], env or {})
        process.start()
        process.wait_ready()
        return process

    def seed(self) -> dict[str, str]:
        """The demo user: `userId`, `workspaceId` and `apiKey`; made once per home folder."""
        seed = self._keys.seed()
        if seed is None:
            user = self.run("api", "create-user", "--email", DEMO_EMAIL, "--name", "Demo User")
            key = self.run("api", "create-key", "--email", DEMO_EMAIL, "--name", "local")
            seed = {"userId": user["userId"], "workspaceId": key["workspaceId"], "apiKey": key["key"]}
            self._keys.keep_seed(seed)
        return seed

    def run(self, name: str, *arguments: str) -> dict[str, Any]:
        """Run a service's program with these arguments and its environment; the last JSON line that it prints and that is no log line.

        What it prints goes to no log, for it may be a key.
        """
        command = self._command(
            f"{name}-{arguments[0]}", self.specs[name].program, *arguments, env=self.environment(name), logged=False
        )
        run_to_end([command], _COMMAND_SECONDS)
        for line in reversed(command.log_lines):
            answer = json.loads(line) if line.startswith("{") else None
            if isinstance(answer, dict) and "level" not in answer:
                return answer
        raise LocalError(f"{command.name} printed no JSON.")

    def environment(self, name: str) -> dict[str, str]:
        """Everything that this service is told, its secrets included, except its port."""
        told = wiring.for_service(
            self.specs[name],
            self._keys,
            self.postgres,
            self.nats,
            credentials=self._credentials,
            log_level=self._log_level,
        )
        return told | self._extra_env.get(name, {})

    def close(self, *, force: bool = False) -> None:
        """End services, then servers, each in good order, or all by SIGKILL; give the home folder back."""
        with self._changing:
            processes, self._running = self.processes, {name: [] for name in self.specs}
        for process in processes:
            process.signal("KILL" if force else "TERM")
        with ExitStack() as ending:  # from the last to the first, and all of them even when one raises
            ending.callback(self.home.release)
            for server in self._servers or ():
                ending.callback(server.close, force=force)
            for process in processes:
                ending.callback(process.close, asked=True)
        self._servers = None

    @property
    def _keys(self) -> Keys:
        assert self._opened is not None, "start_servers() comes first"
        return self._opened[0]

    @property
    def _ports(self) -> PortBook:
        assert self._opened is not None, "start_servers() comes first"
        return self._opened[1]

    def _open(self) -> None:
        self.home.hold()
        self.home.wait_for_leftovers()
        belongings.tidy(self.home)
        belongings.check(self.home)
        self._opened = (Keys(self.home.secrets_file), PortBook(self.home.ports_file, self._defaults))

    def _wait_ready(self, process: ServiceProcess) -> None:
        for tries_left in reversed(range(_PORT_TRIES)):
            try:
                process.wait_ready()
            except ProcessEndedError as error:
                if not error.for_lack_of_a_port or not tries_left:
                    raise
                self.start_again(process)
            else:
                return

    def _make_servers(self) -> tuple[EmbeddedPostgres, EmbeddedNats]:
        postgres = EmbeddedPostgres(
            self.home.postgres,
            self._ports.port("postgres"),
            password=self._keys.superuser,
            settings=self._postgres_settings,
            durable=self._durable,
            log_path=self.home.log("postgres"),
        )
        nats = EmbeddedNats(
            self.home.nats,
            self._ports.port("nats"),
            monitor_port=self._ports.port("nats-monitor"),
            authorization=wiring.authorization(self._keys),
            durable=self._durable,
            log_path=self.home.log("nats"),
        )
        return postgres, nats

    def _replicas_of(self, spec: ServiceSpec) -> list[ServiceProcess]:
        """All replicas that this service should have; the missing ones are made."""
        while len(self._running[spec.name]) < self._replicas.get(spec.name, 1):
            self._make(spec, {})
        return self._running[spec.name]

    def _make(self, spec: ServiceSpec, env: Mapping[str, str]) -> ServiceProcess:
        with self._changing:
            replicas = self._running[spec.name]
            name = spec.name if not replicas else f"{spec.name}-{len(replicas) + 1}"
            port = self._ports.port(name)
            process = ServiceProcess(
                name,
                [self._bin / spec.program, "serve"],
                env={**self.environment(spec.name), "FLOWTASK_PORT": str(port), **env},
                port=port,
                cwd=self.home.path,
                log_path=self.home.log(name),
                on_line=self._on_line,
                lock=self.home.lock(name),
            )
            replicas.append(process)
            return process

    def _command(
        self, name: str, program: str, *arguments: str, env: Mapping[str, str], logged: bool = True
    ) -> Process:
        return Process(
            name,
            [self._bin / program, *arguments],
            env=env,
            cwd=self.home.path,
            log_path=self.home.log(name) if logged else None,
        )
