"""`local.json`: where other programs find a FlowTask that runs on this machine."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import LocalError
from .files import read_json, write_json
from .home import Home
from .signals import LOOK_SECONDS
from .stack import Stack

_READY_SECONDS = 60.0


@dataclass(frozen=True)
class Running:
    """What a caller needs of a FlowTask that runs; `api_url` is an origin, without a slash at the end."""

    api_url: str
    api_key: str
    workspace_id: str
    pid: int


def find(home: Home) -> Running | None:
    """The FlowTask that runs over this folder and is ready; None when there is none, whatever an old file says."""
    told: dict[str, Any] = read_json(home.local_file, default={})
    if not told or told.get("pid") != home.holder():
        return None
    return Running(told["apiUrl"], told["apiKey"], told["workspaceId"], told["pid"])


def wait_for(home: Home, *, say: Callable[[str], None], check: Callable[[], None]) -> Running | None:
    """The FlowTask of this folder once it is ready; None when there is none. `check` is asked all the while: it may raise."""
    deadline = time.monotonic() + _READY_SECONDS
    told = False
    while home.taken:
        found = find(home)
        if found is not None:
            return found
        if not told:
            say("Waiting for the FlowTask of this folder to be ready ...")
            told = True
        if time.monotonic() > deadline:
            raise LocalError(f"The FlowTask of {home.path} is not ready; see its logs.")
        check()
        time.sleep(LOOK_SECONDS)
    return None


def tell(stack: Stack, seed: dict[str, str], pid: int) -> None:
    """Write the file in one step, readable by its owner alone."""
    write_json(
        stack.home.local_file,
        {
            "apiUrl": stack.service("api").url,
            "apiKey": seed["apiKey"],
            "workspaceId": seed["workspaceId"],
            "console": None,
            "services": {process.name: {"url": process.url, "pid": process.pid} for process in stack.processes},
            "postgres": {"port": stack.postgres.port, "pid": stack.postgres.pid},
            "nats": {"port": stack.nats.port, "monitorPort": stack.nats.monitor_port, "pid": stack.nats.pid},
            "pid": pid,
        },
    )


def forget(home: Home) -> None:
    """Remove the file; what it says no longer holds."""
    home.local_file.unlink(missing_ok=True)
