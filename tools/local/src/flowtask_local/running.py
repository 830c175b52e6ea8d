"""`local.json`: where other programs find a FlowTask that runs on this machine."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import LocalError
from .files import read_object, write_json
from .home import Home
from .nats import WHOLE
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
    told = read_object(home.local_file)
    pid = home.holder()
    if pid is None or told.get("pid") != pid or not {"apiUrl", "apiKey", "workspaceId"} <= told.keys():
        return None
    return Running(told["apiUrl"], told["apiKey"], told["workspaceId"], pid)


def probes(home: Home) -> dict[str, tuple[int, str]]:
    """Port and path to ask whether each process of the FlowTask that runs here is ready; without NATS when it is unknown."""
    told = read_object(home.local_file)
    asked = {name: (urlsplit(one["url"]).port or 0, "/readyz") for name, one in told.get("services", {}).items()}
    return asked | {"NATS": (told["nats"]["monitorPort"], WHOLE)} if "nats" in told else asked


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
