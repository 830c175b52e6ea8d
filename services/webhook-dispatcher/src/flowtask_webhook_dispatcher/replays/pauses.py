"""How long a replay rests between two steps: until there may be something to do, as far as that can be told."""

from datetime import datetime, timedelta
from uuid import UUID

from flowtask_contracts.commands.webhook_replays import ReplayStatus

from ..endpoints.models import Endpoint, EndpointState
from .models import Replay

SOONEST = timedelta(seconds=0.1)
LATEST = timedelta(seconds=1)
"""Counts are no older than this, and a webhook whose circuit is not closed is looked at so often."""

RESTING = timedelta(seconds=15)
"""The pause while its webhook is off for longer than `SOON`."""

LONGEST_AWAKE = timedelta(seconds=5)
"""Longer than any pause of a replay whose webhook is on, that before its first step included; shorter than `RESTING`."""

SOON = timedelta(minutes=1)
KEPT = timedelta(minutes=1)


class Pauses:
    """Remembers how far replays had come when this process looked last: how fast deliveries end says when so many more will have.

    A replica that sees only some of the steps reckons with those; one that has seen none of a replay looks again soon.
    """

    def __init__(self) -> None:
        self._seen: dict[UUID, tuple[datetime, int]] = {}

    @property
    def known(self) -> set[UUID]:
        """The replays of which something is remembered."""
        return {*self._seen}

    def after(
        self, replay: Replay, endpoint: Endpoint | None, state: EndpointState | None, lacking: int, now: datetime
    ) -> timedelta:
        """The pause after a step, when there is nothing to do until `lacking` deliveries more have ended."""
        seen = self._seen.pop(replay.id, None)
        self._forget(now - KEPT)
        self._seen[replay.id] = now, replay.done
        if endpoint is not None and state is not None and replay.status != ReplayStatus.CANCELLING:
            if not endpoint.active and now - endpoint.updated_at > SOON:
                return RESTING
            if not endpoint.active or state.open_until is not None:
                return LATEST
        return SOONEST if seen is None or not lacking else _reckoned(now - seen[0], replay.done - seen[1], lacking)

    def _forget(self, before: datetime) -> None:
        while self._seen and self._seen[first := next(iter(self._seen))][0] < before:
            del self._seen[first]


def _reckoned(passed: timedelta, ended: int, lacking: int) -> timedelta:
    """When `lacking` have ended, at the rate of late; twice as long as the last pause at most, for that may change."""
    most = min(2 * passed, LATEST)
    return max(SOONEST, min(passed * (lacking / ended), most) if ended > 0 else most)
