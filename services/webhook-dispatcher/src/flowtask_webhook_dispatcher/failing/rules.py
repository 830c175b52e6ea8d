"""How long an endpoint may fail, and when its owner is told. Pure; hours are those in which this service looked."""

from dataclasses import dataclass
from datetime import timedelta

STEPS = (50, 75, 90)
"""Percent of the time at which its owner is told."""

DISABLED = 100

REST = timedelta(hours=48)
"""After so long without an attempt an endpoint is not failing any more: nobody knows. Longer than the longest wait of a schedule."""


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell its owner that so much of the time is over, in percent."""

    percent: int


@dataclass(frozen=True, slots=True)
class Disable:
    """Send nothing more."""


Verdict = Warn | Disable | None


def judge(hours: int, limit: int, warned: int) -> Verdict:
    """What follows from so many hours of nothing but failures, where its owner was told of `warned` percent."""
    if hours >= limit:
        return Disable()
    reached = max((step for step in STEPS if hours * 100 >= step * limit), default=0)
    return Warn(reached) if reached > warned else None
