"""Windows and what they decide."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from flowtask_contracts.errors import RateLimited
from flowtask_contracts.resources import Plan

WINDOW_SECONDS = 60


class Quota(NamedTuple):
    """By what the requests of a credential are counted: a window that is its own, whatever it shows up with, and a plan.

    The keys of a workspace count together beside that: `workspace_id` is theirs, and None for a person.
    """

    window: str
    plan: Plan
    workspace_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` calls of this name within any 60 seconds. One that is `wide` is told only when it is the tightest."""

    name: str
    most: int
    wide: bool = False


class Window(NamedTuple):
    """Whose calls, by `key`, and how many of them there may be."""

    key: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a limit, and in how many seconds the oldest call that counts leaves the window."""

    limit: Limit
    remaining: int
    frees_in: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call passes. One that does has been counted in every window, one that does not in none.

    `wait` is the number of seconds after which the call would have passed.
    """

    passes: bool
    rooms: Sequence[Room]
    wait: float = 0.0

    @property
    def tightest(self) -> Room:
        """The limit that is nearest to its end."""
        return min(self.rooms, key=lambda room: (room.remaining, room.limit.most))

    @property
    def refusal(self) -> RateLimited:
        """The 429 of a call that does not pass, with the whole seconds after which it would: never too few."""
        return RateLimited(retry_after=max(1, math.ceil(self.wait)))
