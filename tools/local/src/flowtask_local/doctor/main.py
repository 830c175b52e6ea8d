"""`flowtask doctor`: looks at the machine and the folder, changes nothing, and says what to do."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from ..errors import LocalError
from ..home import Home
from . import folder, machine, programs, services
from .finding import Finding, Status, warning

_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.PROBLEM: "bold red"}
_ENV_FILE = Path(".env")


def doctor(home_path: Path, *, as_json: bool = False) -> int:
    """Print every finding; 1 when something would keep `flowtask up` from working, else 0."""
    findings = examine(Home(home_path))
    well = all(one.status is not Status.PROBLEM for one in findings)
    if as_json:
        checks = [{"name": f.name, "status": f.status, "found": f.found, "advice": f.advice} for f in findings]
        sys.stdout.write(json.dumps({"ok": well, "checks": checks}, indent=2, ensure_ascii=False) + "\n")
    else:
        _show(findings)
    return 0 if well else 1


def examine(home: Home) -> list[Finding]:
    """Every finding, in the order in which one would look."""
    checks: list[tuple[str, Callable[[], Sequence[Finding | None]]]] = [
        ("machine", machine.everything),
        ("packages", lambda: [programs.packages()]),
        ("servers", lambda: programs.servers(home)),
        ("folder", lambda: folder.everything(home)),
        ("ports", lambda: [services.ports(home)]),
        ("services", lambda: services.ready(home)),
        (".env", lambda: [services.env_file(_ENV_FILE)]),
    ]
    return [finding for name, check in checks for finding in _findings(name, check) if finding is not None]


def _findings(name: str, check: Callable[[], Sequence[Finding | None]]) -> Sequence[Finding | None]:
    """What cannot be looked at is a warning too."""
    try:
        return check()
    except (LocalError, OSError, ValueError) as error:
        return [warning(name, f"could not be checked: {error}", "See whether this user may read it.")]


def _show(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        console.print(f"  {finding.status:<8}", style=_STYLES[finding.status], end="")
        console.print(f"  {finding.name:<{width}}  {finding.found}")
        if finding.advice:
            console.print(f"  {'':<8}  {'':<{width}}  -> {finding.advice}")
    bad = sum(finding.status is Status.PROBLEM for finding in findings)
    console.print(f"\n{_verdict(bad)}", style=_STYLES[Status.PROBLEM if bad else Status.OK])


def _verdict(bad: int) -> str:
    if not bad:
        return "`flowtask up` can work here."
    return f"{bad} {'thing keeps' if bad == 1 else 'things keep'} `flowtask up` from working."
