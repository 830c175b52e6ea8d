"""When a recurring job is due: pure functions of the time, so that every replica names the same slots."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_FIELDS = 5


@dataclass(frozen=True)
class Cron:
    """Slots by a cron line of five fields (minute, hour, day of month, month, day of week), in UTC.

    Raises ValueError for a line that cannot be read, or that never comes.
    """

    line: str

    def __post_init__(self) -> None:
        if len(self.line.split()) != _FIELDS:
            raise ValueError(f"not a cron line of five fields: {self.line!r}")
        try:
            next(CronSim(self.line, _EPOCH))
        except CronSimError as error:
            raise ValueError(f"not a cron line: {self.line!r}: {error}") from error
        except StopIteration:
            raise ValueError(f"not a cron line: {self.line!r}: it never comes") from None

    def latest(self, now: datetime) -> datetime:
        """The slot that began last, `now` itself included."""
        return next(CronSim(self.line, now.astimezone(UTC).replace(microsecond=0) + _SECOND, reverse=True))

    def after(self, now: datetime) -> datetime:
        """The slot that begins next."""
        return next(CronSim(self.line, now.astimezone(UTC)))

    def __str__(self) -> str:
        return self.line


@dataclass(frozen=True)
class Every:
    """Slots at every whole multiple of a period since 1970, whenever a process was started.

    Raises ValueError unless the period is a whole number of seconds above 0.
    """

    period: timedelta

    def __post_init__(self) -> None:
        if self.period < _SECOND or self.period % _SECOND:
            raise ValueError(f"not a whole number of seconds above 0: {self.period}")

    def latest(self, now: datetime) -> datetime:
        """The slot that began last, `now` itself included."""
        return _EPOCH + (now - _EPOCH) // self.period * self.period

    def after(self, now: datetime) -> datetime:
        """The slot that begins next."""
        return self.latest(now) + self.period

    def __str__(self) -> str:
        return f"every {self.period}"


When = Cron | Every
