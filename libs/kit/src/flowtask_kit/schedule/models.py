"""What a service keeps of its recurring jobs in its own schema."""

from datetime import datetime, timedelta
from typing import Self

from sqlalchemy.orm import Mapped, mapped_column

WAITS = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 300, 600))
"""Waits after each failed run; the last one again and again, until the next slot begins."""

MARGIN = timedelta(seconds=15)
"""How much longer than a run may take it is nobody else's: the time to write its end down."""


class JobRun:
    """One slot of one job: the guard that it is run once.

    Whoever holds the lease runs it. `claim_no` is the fence: it rises with each claim, and only the end of the current
    claim counts. `attempts` counts runs that came to an end; a crash or a stop is none. A slot whose successor has begun
    before it was finished is left as it is.
    """

    __tablename__ = "job_runs"

    job: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[datetime] = mapped_column(primary_key=True)
    claim_no: Mapped[int]
    attempts: Mapped[int]
    begun_at: Mapped[datetime]
    lease_until: Mapped[datetime]
    due_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    last_error: Mapped[str | None]

    @classmethod
    def of(cls, job: str, slot: datetime, now: datetime) -> Self:
        """A slot that nobody has claimed yet."""
        row = cls()
        row.job, row.slot, row.claim_no, row.attempts = job, slot, 0, 0
        row.begun_at = row.lease_until = row.due_at = now
        row.finished_at = row.last_error = None
        return row

    def under_way(self, now: datetime) -> bool:
        """True while somebody may be running it."""
        return self.finished_at is None and self.lease_until > now

    def due(self, now: datetime) -> bool:
        """True when it is to be run: never finished, nobody's, and not waiting after a failure."""
        return self.finished_at is None and self.lease_until <= now and self.due_at <= now

    def claim(self, now: datetime, takes: timedelta) -> int:
        """Take it for one run; the number under which the end of that run counts."""
        self.claim_no += 1
        self.begun_at, self.lease_until = now, now + takes + MARGIN
        return self.claim_no

    def succeed(self, now: datetime) -> None:
        """It is done, for ever."""
        self.attempts += 1
        self.finished_at, self.lease_until, self.last_error = now, now, None

    def fail(self, error: str, now: datetime) -> None:
        """It is to be run again, after a wait that grows."""
        self.attempts += 1
        self.last_error, self.lease_until = error, now
        self.due_at = now + WAITS[min(self.attempts, len(WAITS)) - 1]

    def give_back(self, now: datetime) -> None:
        """Whoever ran it was stopped: anybody may run it at once."""
        self.lease_until = now
