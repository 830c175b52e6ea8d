"""Checks of what runs, or would: ports, services, and the provider credentials in `.env`."""

from http import HTTPStatus
from pathlib import Path

from .. import credentials, running
from ..home import Home
from ..ports import is_free, remembered
from ..probe import get_status
from ..services import SERVICES, default_ports
from .finding import Finding, ok, warning


def ports(home: Home) -> Finding:
    """The ports that a start would wish for are free, or ours."""
    wished = default_ports(SERVICES) | (remembered(home.ports_file) if home.path.is_dir() else {})
    shown = ", ".join(f"{name} {port}" for name, port in wished.items())
    if home.path.is_dir() and home.taken:
        return ok("ports", f"in use by this FlowTask: {shown}")
    taken = [f"{port} ({name})" for name, port in wished.items() if not is_free(port)]
    if taken:
        return warning(
            "ports",
            f"taken: {', '.join(taken)}",
            "Nothing needs to be done: `flowtask up` takes others and says which.",
        )
    return ok("ports", f"free: {shown}")


def ready(home: Home) -> list[Finding]:
    """What runs here answers that it is ready; nothing when nothing runs."""
    if not home.path.is_dir() or not home.taken:
        return []
    if running.find(home) is None:
        return [ok("FlowTask", "is starting or ending")]
    return [_answers(name, port, path) for name, (port, path) in running.probes(home).items()]


def env_file(path: Path) -> Finding:
    """Every name in `.env` is one that some service receives; values are never shown."""
    if not path.is_file():
        return ok(".env", "none; stand-ins are enough to begin with")
    names = credentials.names_in(path)
    known = {name for owned in credentials.OWNERS.values() for name in owned}
    unknown = [name for name in names if name not in known]
    found = f"read: {', '.join(name for name in names if name in known) or 'nothing'}"
    if unknown:
        return warning(
            ".env",
            f"{found}; not known: {', '.join(unknown)}",
            "`flowtask up` reads provider credentials alone, see .env.example.",
        )
    return ok(".env", found)


def _answers(name: str, port: int, path: str) -> Finding:
    status = get_status(port, path)
    if status == HTTPStatus.OK:
        return ok(name, f"ready on port {port}")
    found = f"does not answer on port {port}" if status is None else f"answers {status} on port {port}"
    return warning(name, found, "It is started again by itself; if that does not help, its log says why.")
