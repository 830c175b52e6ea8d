"""How an endpoint is tried again, and how much it is sent: the values, and what their combination must keep to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from flowtask_contracts.commands.webhooks import LONGEST_SCHEDULE, Ordering, RetryOn, RetryPolicy
from flowtask_contracts.errors import ErrorDetail, ValidationFailed

_MINUTE, _HOUR = 60, 3600

SCHEDULES: Mapping[RetryPolicy, tuple[int, ...]] = {
    RetryPolicy.STANDARD: (1, 5, 25),
    RetryPolicy.LONG: (
        *(5, 5 * _MINUTE, 30 * _MINUTE),
        *(2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR),
    ),
}
"""Seconds before the second try, the third, and so on."""


@dataclass(frozen=True, slots=True)
class Policy:
    """`waits` before the second try, the third, and so on; `rate` attempts within any `period`; `at_once` under way.

    `ordering` says what goes one after another; with `blocks`, what is given up holds up what comes after it.
    """

    waits: tuple[timedelta, ...] = tuple(timedelta(seconds=each) for each in SCHEDULES[RetryPolicy.STANDARD])
    retry_on: RetryOn = RetryOn.SERVER
    rate: int | None = None
    period: timedelta = timedelta(seconds=1)
    at_once: int | None = None
    ordering: Ordering = Ordering.NONE
    blocks: bool = False

    @property
    def ordered(self) -> bool:
        """Whether anything goes one after another. Then one replica alone sends, too."""
        return self.ordering is not Ordering.NONE

    @property
    def limited(self) -> bool:
        """Whether one replica alone must send, so that the limits hold for all of them together."""
        return self.rate is not None or self.at_once is not None


STANDARD = Policy()


def schedule_of(policy: RetryPolicy, own: Sequence[int] | None) -> tuple[int, ...]:
    """The waits of a policy, in seconds; `own` are those of `custom`."""
    return tuple(own or ()) if policy is RetryPolicy.CUSTOM else SCHEDULES[policy]


def check(policy: RetryPolicy, own: Sequence[int] | None) -> list[int] | None:
    """The waits to keep; ValidationFailed for a custom policy without any, too long a one, or waits of any other policy."""
    if policy is not RetryPolicy.CUSTOM:
        if own is not None:
            raise _refused("belongs to the retryPolicy custom")
        return None
    if not own:
        raise _refused("is needed for the retryPolicy custom")
    if sum(own) > LONGEST_SCHEDULE:
        raise _refused(f"takes {sum(own)} seconds in all, and at most {LONGEST_SCHEDULE} (five days) are allowed")
    return list(own)


def _refused(message: str) -> ValidationFailed:
    return ValidationFailed(details=[ErrorDetail(field="retrySchedule", message=message)])
