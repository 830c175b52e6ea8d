"""Checks of what is installed: the servers run on this machine, and the packages are those of uv.lock."""

import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from ..errors import LocalError
from ..home import Home
from .finding import Finding, ok, problem, warning

_LOCK = Path(__file__).parents[5] / "uv.lock"
_LOCKED = re.compile(r'^\[\[package\]\]\nname = "(.+)"\nversion = "(.+)"$', re.MULTILINE)
_AGAIN = "Install anew with `make clean`, then `make up`."
_SHOWN = 5


def servers(home: Home) -> list[Finding]:
    """PostgreSQL and NATS are started as `flowtask up` would start them, to say their version."""
    return [_runs("PostgreSQL", lambda: _postgres(home)), _runs("NATS", lambda: _nats(home))]


def packages() -> Finding | None:
    """What is installed has the versions of uv.lock; None where there is no such file."""
    if not _LOCK.exists():
        return None
    locked: dict[str, set[str]] = {}
    for name, version in _LOCKED.findall(_LOCK.read_text(encoding="utf-8")):
        locked.setdefault(name, set()).add(version)
    installed = {_normal(one.name): one.version for one in metadata.distributions()}
    other = sorted(name for name, version in installed.items() if version not in locked.get(name, {version}))
    if other:
        shown = ", ".join(other[:_SHOWN]) + (" and more" if len(other) > _SHOWN else "")
        return warning(
            "packages", f"other than in uv.lock: {shown}", "`tools/local/uv.sh sync --frozen` brings them in line."
        )
    return ok("packages", f"{sum(name in locked for name in installed)} as in uv.lock")


def _runs(name: str, version: Callable[[], str]) -> Finding:
    try:
        return ok(name, version())
    except LocalError as error:
        first, *rest = (row.strip() for row in str(error).splitlines())
        return problem(name, " ".join([first, *rest[-1:]]), _AGAIN)


def _postgres(home: Home) -> str:
    from ..postgres import EmbeddedPostgres  # noqa: PLC0415 - where its wheel is missing, this is what fails

    return EmbeddedPostgres(home.postgres).version()


def _nats(home: Home) -> str:
    from ..nats import EmbeddedNats  # noqa: PLC0415 - as above

    return EmbeddedNats(home.nats).version()


def _normal(name: str) -> str:
    """A package's name as uv.lock writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
