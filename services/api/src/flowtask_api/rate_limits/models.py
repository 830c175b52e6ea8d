"""Windows and what they decide."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flowtask_contracts.errors import RateLimited

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` calls of this name within any 60 seconds."""

    name: str
    most: int


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a limit, and in how many seconds the oldest call that counts leaves the window."""

    limit: Limit
    remaining: int
    frees_in: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call passes. One that does has been counted under every limit, one that does not under none.

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
