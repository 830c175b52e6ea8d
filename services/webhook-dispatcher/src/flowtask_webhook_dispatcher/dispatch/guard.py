"""What may be sent to an endpoint now: its circuit, its pace after an outage, and the limits that its owner has set.

What this process has seen counts at once; it is put on record for the other replicas, and what they put on record takes its
place here when the directory reads it.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from flowtask_contracts.commands.webhooks import Circuit
from flowtask_kit import logs

from ..deliveries.models import Failed, Outcome
from ..endpoints.breaker import CLOSED, MERCY, Breaker, Rules
from ..endpoints.directory import Directory, Receiver
from .rates import Rates
from .work import Entry, Parcel, Tripped

log = logs.get(__name__)


class Guard:
    """Decides for each endpoint; `record` takes what the other replicas must know, `each` is the most under way at once where an owner has set nothing."""

    def __init__(self, directory: Directory, record: Callable[[Entry], None], rules: Rules, *, each: int) -> None:
        self._directory = directory
        self._rules = rules
        self._record = record
        self._each = each
        self._breakers: dict[UUID, Breaker] = {}
        """Newer than the directory's, and only those that are not as they began."""
        self._probes: dict[UUID, Parcel] = {}
        self._pace: dict[UUID, int] = {}
        """Attempts at once to endpoints that have just come back."""
        self.rates = Rates(lambda: asyncio.get_running_loop().time())
        directory.tell(self._read_anew)

    def circuit(self, receiver: Receiver, now: datetime) -> Circuit:
        """Whether anything may be sent to it."""
        return self._breaker(receiver).circuit(now)

    def straight(self, receiver: Receiver) -> bool:
        """Whether events may go to it straight from the stream."""
        return not receiver.managed and receiver.id not in self._pace and self._breaker(receiver).open_until is None

    def at_once(self, endpoint_id: UUID) -> int:
        """How many attempts may be under way to it, from this process."""
        limit = self._limit(endpoint_id)
        return min(limit, self._pace.get(endpoint_id, limit)) if self._pace else limit

    def room(self, receiver: Receiver, now: datetime) -> int:
        """How many due rows may be claimed for it, as far as circuit and rate go."""
        match self.circuit(receiver, now):
            case Circuit.OPEN:
                return 0
            case Circuit.HALF_OPEN:
                self._pace.setdefault(receiver.id, 1)
                return 0 if receiver.id in self._probes else min(1, self.rates.room(receiver))
            case Circuit.CLOSED:
                return self.rates.room(receiver)

    def again_in(self, receiver: Receiver, now: datetime) -> timedelta | None:
        """How long until there is room, where that is only a matter of time."""
        until = self._breaker(receiver).open_until
        if until is not None and until > now:
            return until - now
        return self.rates.again_in(receiver)

    def admits(self, parcel: Parcel, receiver: Receiver, now: datetime) -> bool:
        """Whether this attempt may be made now; in `half-open` it becomes the one that tries out."""
        if self._breaker(receiver).open_until is None:
            return True
        match self.circuit(receiver, now):
            case Circuit.HALF_OPEN if receiver.id not in self._probes:
                self._probes[receiver.id] = parcel
                return True
            case _:
                return False

    def ended(self, parcel: Parcel) -> None:
        """The attempt is over, whether or not anything came of it."""
        if self._probes and self._probes.get(parcel.receiver.id) is parcel:
            del self._probes[parcel.receiver.id]

    def note(self, receiver: Receiver, outcome: Outcome, now: datetime) -> None:
        """Learn from what an attempt came to, unless the endpoint goes elsewhere by now, or nowhere."""
        current = self._directory.get(receiver.id)
        if current is None or current.url != receiver.url:
            return
        receiver = current  # what was known when the attempt began may be long overtaken
        before = self._breaker(receiver)
        if before is CLOSED and not self._pace and not isinstance(outcome, Failed):
            return
        after = before.after(outcome, now, self._rules)
        if self._pace:
            self._set_pace(receiver.id, failed=after is not CLOSED)
        if after is before or after == before:
            return
        self._breakers[receiver.id] = after
        if after.open_until == before.open_until:
            if after == receiver.breaker:
                del self._breakers[receiver.id]
            return
        since = before.opened_at - MERCY if after is CLOSED and before.opens and before.opened_at else None
        self._pace.setdefault(receiver.id, 1)
        self._record(Tripped(receiver.id, after, since))
        log.info(
            "circuit",
            endpoint_id=str(receiver.id),
            state=str(after.circuit(now)),
            failures=after.failures,
            until=None if after.open_until is None else after.open_until.isoformat(),
        )

    def _breaker(self, receiver: Receiver) -> Breaker:
        return self._breakers.get(receiver.id, receiver.breaker) if self._breakers else receiver.breaker

    def _set_pace(self, endpoint_id: UUID, *, failed: bool) -> None:
        """Twice as many at once with every answer, half as many with every failure, until it is what it was before."""
        pace = self._pace.get(endpoint_id)
        if pace is None:
            return
        pace = max(1, pace // 2) if failed else pace * 2
        if pace >= self._limit(endpoint_id):
            del self._pace[endpoint_id]
        else:
            self._pace[endpoint_id] = pace

    def _limit(self, endpoint_id: UUID) -> int:
        """What its owner has set, else what is usual."""
        return self._directory.limits.get(endpoint_id, self._each)

    def _read_anew(self, endpoint_id: UUID) -> None:
        """What is on record counts again; of an endpoint that is gone nothing is kept."""
        self._breakers.pop(endpoint_id, None)
        if self._directory.get(endpoint_id) is None:
            self._pace.pop(endpoint_id, None)
            self.rates.forget(endpoint_id)
