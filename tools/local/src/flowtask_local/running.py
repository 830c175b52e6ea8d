"""`local.json`: where other programs find a FlowTask that runs on this machine."""

from dataclasses import dataclass
from typing import Any

from .files import read_json, write_json
from .home import Home
from .stack import Stack


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
