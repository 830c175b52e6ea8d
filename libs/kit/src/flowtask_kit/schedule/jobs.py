"""A recurring job, as its service declares it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flowtask_kit.schedule.when import When
from flowtask_kit.service.resources import Resources

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work that recurs: once per slot in the whole cluster, however many replicas run.

    `run` gets the slot's time and may be run again for the same slot, after a crash or a failure of its own: it must be
    idempotent. What lasts longer than `takes` is cancelled and counts as failed; after a crash the slot is run again
    when that time is over. Raises ValueError for a name that is not one word of [a-z0-9-], or no time at all.
    """

    name: str
    when: When
    takes: timedelta
    run: Callable[[Resources, datetime], Awaitable[None]]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"not the name of a job: {self.name!r}")
        if self.takes <= timedelta(0):
            raise ValueError(f"{self.name}: a run must be given some time")
