"""What one check found."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`problem` keeps `flowtask up` from working, `warning` does not."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it stands, what was found, and what to do about it (empty when there is nothing to do)."""

    name: str
    status: Status
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(name, Status.OK, found)


def warning(name: str, found: str, advice: str) -> Finding:
    """`flowtask up` works, and something may surprise."""
    return Finding(name, Status.WARNING, found, advice)


def problem(name: str, found: str, advice: str) -> Finding:
    """`flowtask up` would not work."""
    return Finding(name, Status.PROBLEM, found, advice)
