"""The whole of FlowTask as processes, and a client with a key of its demo workspace."""

import json
import subprocess
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from e2e.settings import ENV
from flowtask_local.stack import Stack

SHOWN = 40
"""Log lines of a service that the report of a failed test shows."""


@pytest.fixture(scope="module")
def replicas() -> dict[str, int]:
    """How many of each service; a module that wants more overrides this."""
    return {}


@pytest.fixture(scope="module")
def durable() -> bool:
    """Whether servers wait for the disk as in production; a module that kills them overrides this."""
    return False


@pytest.fixture(scope="session")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with databases, every schema, streams and the demo user, to be copied: making it takes longer than all the rest."""
    home = tmp_path_factory.mktemp("made") / "home"
    with Stack(home, durable=False) as stack:
        stack.start_servers()
        stack.bootstrap()
        stack.migrate()
        stack.seed()
    (home / "ports.json").unlink()
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, made_home: Path) -> Path:
    """A copy of it for one module."""
    home = tmp_path_factory.mktemp("e2e") / "home"
    subprocess.run(["cp", "-a", made_home, home], check=True)
    return home


@pytest.fixture(scope="module")
def env() -> dict[str, dict[str, str]]:
    """What services are told beside what every service is told; a module that wants more overrides this."""
    return ENV


@pytest.fixture(scope="module")
def stack(home: Path, replicas: dict[str, int], env: dict[str, dict[str, str]], durable: bool) -> Iterator[Stack]:
    """Servers and all services, for one module."""
    with Stack(home, replicas=replicas, extra_env=env, durable=durable) as running:
        running.up()
        running.seed()
        yield running


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[httpx2.AsyncClient]:
    """A caller of the demo workspace."""
    async with httpx2.AsyncClient(
        base_url=f"{stack.service('api').url}/api/v1",
        headers={"Authorization": f"Bearer {stack.seed()['apiKey']}"},
        timeout=40,
        limits=httpx2.Limits(max_connections=32, max_keepalive_connections=32),
    ) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have the report of a failed test show what the services warned of: they are gone when somebody asks why."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        for process in stack.processes:
            warnings = [line for line in process.log_lines if is_warning(line)]
            report.sections.append((f"warnings of {process.name}", "\n".join(warnings[-SHOWN:])))
    return report


def is_warning(line: str) -> bool:
    """True for what is worth a look; what is no log line of ours is."""
    try:
        told: Any = json.loads(line)
    except ValueError:
        return True
    return not isinstance(told, dict) or told.get("level") not in {"debug", "info"}
