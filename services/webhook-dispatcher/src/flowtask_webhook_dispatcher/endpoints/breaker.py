"""The circuit breaker of an endpoint: what has come back lately decides whether anything is sent. Pure; no clock, no I/O.

closed --5 failures in a row, or Retry-After--> open --time passes--> half-open --an answer--> closed
^-------------a failure, twice as long-------|
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flowtask_contracts.commands.webhooks import Circuit

from ..deliveries.models import Failed, Outcome

MERCY = timedelta(minutes=10)
"""What ran out of tries so long before it opened has another round when it closes: the same outage was the reason."""


@dataclass(frozen=True, slots=True)
class Rules:
    """It opens after so many failures in a row, first for `hold`, then for twice as long as before, `longest` at most.

    A receiver that asks for longer is left alone for longer.
    """

    failures: int = 5
    hold: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Breaker:
    """`failures` in a row; `opens` in a row, without an answer in between; held until `open_until`, first since `opened_at`.

    A hold that the receiver asked for (Retry-After) opens the circuit without counting as one of `opens`.
    """

    failures: int = 0
    opens: int = 0
    opened_at: datetime | None = None
    open_until: datetime | None = None

    def circuit(self, now: datetime) -> Circuit:
        """Whether anything may be sent: in `half-open`, one attempt at a time."""
        if self.open_until is None:
            return Circuit.CLOSED
        return Circuit.OPEN if now < self.open_until else Circuit.HALF_OPEN

    def after(self, outcome: Outcome, now: datetime, rules: Rules = Rules()) -> "Breaker":
        """What an attempt that has ended makes of it. Every answer but a failure closes it: somebody is there."""
        if not isinstance(outcome, Failed):
            return CLOSED
        failures = self.failures + 1
        match self.circuit(now):
            case Circuit.CLOSED if failures < rules.failures:
                return self._held(failures, self.opens, now, outcome.wait)
            case Circuit.OPEN:  # it was under way when the circuit opened
                return self._held(failures, self.opens, now, outcome.wait)
            case _:
                opens = self.opens + 1
                hold = min(rules.hold * 2 ** min(opens - 1, 10), rules.longest)
                return self._held(failures, opens, now, max(hold, outcome.wait))

    def _held(self, failures: int, opens: int, now: datetime, hold: timedelta) -> "Breaker":
        """Held for so long from now, and never for less than it is already."""
        if not hold:
            return Breaker(failures, opens, self.opened_at, self.open_until)
        until = now + hold
        if self.open_until is not None and self.open_until > until:
            until = self.open_until
        return Breaker(failures, opens, self.opened_at or now, until)


CLOSED = Breaker()
