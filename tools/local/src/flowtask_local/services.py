"""The services that a local FlowTask runs, and one running service."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from .keys import Keys
from .listening import listens
from .logs import LineSink
from .ports import HOST
from .probe import get_status
from .process import Process

_READY_SECONDS = 60.0
_SERVER_PORTS = {"postgres": 5433, "nats": 4333, "nats-monitor": 8333}


AT_FULL_SPEED = {"api": {"FLOWTASK_RATE_LIMITS": '{"FREE": [1000000, 1000000]}'}}
"""`extra_env` for tests and measurements that call the API as fast as it can answer."""


def _nothing(_keys: Keys) -> dict[str, str]:
    return {}


def _api(_keys: Keys) -> dict[str, str]:
    """Nobody who tries things out on their own machine should be held up."""
    return {"FLOWTASK_RATE_LIMITS": '{"FREE": [10000, 3000]}'}


def _webhooks(keys: Keys) -> dict[str, str]:
    return {
        "FLOWTASK_WEBHOOKS_SECRET_KEYS": keys.ring("webhooks"),
        "FLOWTASK_WEBHOOKS_ALLOW_PRIVATE_NETWORKS": "127.0.0.0/8,::1/128",
        "FLOWTASK_WEBHOOKS_ALLOW_HTTP": "true",
        "FLOWTASK_WEBHOOKS_PORTS": "1-65535",
    }


@dataclass(frozen=True)
class ServiceSpec:
    """One service: its name, the port of its first replica, and what it is told beside what every service is told.

    The provider credentials that it alone receives stand in `credentials.OWNERS` under its name.
    """

    name: str
    default_port: int
    extra_env: Callable[[Keys], Mapping[str, str]] = _nothing

    @property
    def role(self) -> str:
        """Its PostgreSQL login role."""
        return f"flowtask_{self.name.replace('-', '_')}"

    @property
    def package(self) -> str:
        """Its Python package."""
        return f"flowtask_{self.name.replace('-', '_')}"

    @property
    def program(self) -> str:
        """Its console script."""
        return f"flowtask-{self.name}"


SERVICES: tuple[ServiceSpec, ...] = (
    ServiceSpec("api", 8400, extra_env=_api),
    ServiceSpec("webhook-dispatcher", 8410, extra_env=_webhooks),
    ServiceSpec("billing", 8420),
    ServiceSpec("mailer", 8430),
)


def default_ports(services: Iterable[ServiceSpec]) -> dict[str, int]:
    """The well-known ports of servers and services, by name."""
    return _SERVER_PORTS | {spec.name: spec.default_port for spec in services}


class ServiceProcess(Process):
    """A service with an HTTP port that answers /readyz."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        port: int,
        cwd: Path = Path("/"),
        log_path: Path | None = None,
        on_line: LineSink | None = None,
        lock: Path | None = None,
    ) -> None:
        super().__init__(name, command, env=env, cwd=cwd, log_path=log_path, on_line=on_line, lock=lock)
        self.port = port

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    @property
    def ready(self) -> bool:
        """True when /readyz answers 200 now, and it is this process that answers."""
        return self.running and get_status(self.port, "/readyz") == HTTPStatus.OK and listens(self.pid or 0, self.port)

    def move(self, port: int) -> None:
        """Listen on another port from the next start on."""
        self.port = port
        self.env["FLOWTASK_PORT"] = str(port)

    def wait_ready(self, timeout: float = _READY_SECONDS) -> None:
        """Return when the service is ready; ProcessEndedError or NotReadyError, with its last log lines, otherwise."""
        self.wait_until(lambda: self.ready, "answering /readyz with 200", timeout)

    def restart(self, *, env: Mapping[str, str] | None = None, timeout: float = _READY_SECONDS) -> float:
        """Drain, end, start again and wait until ready; returns the seconds it took. `env` is for this start alone."""
        began = time.monotonic()
        if self.running:
            self.terminate()
        self.start(env=env)
        self.wait_ready(timeout)
        return time.monotonic() - began
