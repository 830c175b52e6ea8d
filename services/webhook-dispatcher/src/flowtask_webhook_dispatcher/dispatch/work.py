"""What is in hand: stream messages, and the parcels (one event for one endpoint) that they or due rows became."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from flowtask_contracts.commands.webhook_deliveries import Trigger
from flowtask_contracts.commands.webhooks import DisabledReason

from ..deliveries.models import Outcome
from ..endpoints.breaker import Breaker
from ..endpoints.directory import Receiver
from ..signing import Prepared
from ..transport import Timings
from .payload import PublicEvent

ACK = b"+ACK"
AGAIN_NOW = b"-NAK"
AGAIN_SOON = b'-NAK {"delay": 1000000000}'
AGAIN_LATER = b'-NAK {"delay": 30000000000}'
"""Half a minute: for what could not be put on record although the database is there."""


@dataclass(slots=True, eq=False)
class Arrival:
    """A message pulled from the stream, not yet acknowledged; `open` counts its parcels that are not on record.

    `pulled_at` is the loop's clock. Once nothing is open the `answer` goes to `reply`: an ack, or else the message comes
    again for the parcels without rows. `on_record` says that the event itself has its row.
    """

    reply: str
    stream_seq: int
    event: PublicEvent
    pulled_at: float
    traceparent: str | None
    parcels: "list[Parcel]" = field(default_factory=list)
    open: int = 0
    answer: bytes = ACK
    on_record: bool = False


class Place(NamedTuple):
    """Where a parcel has its turn: after whatever has its key, or its group, and stands before it in the stream."""

    key: str
    group: str | None


class Stage(Enum):
    """Where a parcel is in this process."""

    WAITING = "waiting"
    SENDING = "sending"
    ENDED = "ended"


@dataclass(slots=True, eq=False)
class Parcel:
    """One event for one endpoint. `claim_no` is 0 until a due row stands for it, then the claim that settles it.

    `attempts` counts scheduled attempts made before. After `claim_until` the row may be another's. It is `WAITING` until
    its request is about to leave. `request` is what was prepared of that, under the receiver's key of then. One that has a
    `place` is to be sent in order.
    """

    event: PublicEvent
    receiver: Receiver
    delivery_id: UUID
    stream_seq: int
    arrival: Arrival | None = None
    claim_no: int = 0
    claim_until: datetime | None = None
    attempts: int = 0
    trigger: Trigger = Trigger.SCHEDULE
    stage: Stage = Stage.WAITING
    request: Prepared | None = None
    place: Place | None = None

    def prepared(self, receiver: Receiver) -> Prepared:
        """The request to a receiver that has a key, made now and kept."""
        assert receiver.key is not None
        event, delivery_id = self.event, self.delivery_id
        body = event.body(delivery_id, thin=receiver.forms.thin(event.id))
        self.request = request = Prepared(
            receiver.key, event=event.type, event_id=event.id, delivery_id=delivery_id, body=body
        )
        return request

    def take_arrival(self) -> Arrival | None:
        """The message this parcel still holds open; from here on the entry that is put on record holds it."""
        arrival, self.arrival = self.arrival, None
        return arrival


class Result(NamedTuple):
    """What an attempt came to. `error` and its code are set where there was no answer; headers are a line each."""

    outcome: Outcome
    at: datetime
    duration_ms: int
    status_code: int | None = None
    error: str | None = None
    error_code: str | None = None
    timings: Timings | None = None
    trace_id: str | None = None
    request_headers: bytes | None = None
    response_headers: bytes | None = None
    response_body: str | None = None
    response_truncated: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """To record: an event that matches no endpoint, or all of whose parcels are on record already."""

    arrival: Arrival | None
    parcel: None = None


class Attempted(NamedTuple):
    """To record: an attempt and what follows from it. `arrival` is the message it brings nearer to its ack, if any."""

    parcel: Parcel
    result: Result
    arrival: Arrival | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """To record: a due row. With `leased` the attempt is under way here and its result settles under claim 1.

    `backlog` has the endpoint managed: from then on its events become due rows only.
    """

    parcel: Parcel
    due_at: datetime
    leased: bool = False
    backlog: bool = False
    arrival: Arrival | None = None


@dataclass(frozen=True, slots=True)
class Shelved:
    """To record: a delivery that waits for its endpoint to poll it."""

    parcel: Parcel
    arrival: Arrival | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """To record: a claimed row given back without an attempt, due again at a time."""

    parcel: Parcel
    due_at: datetime
    arrival: None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """To record: nothing is sent any more, the endpoint was deleted."""

    parcel: Parcel
    arrival: Arrival | None = None


@dataclass(frozen=True, slots=True)
class Tripped:
    """To record: the circuit of an endpoint opened, or closed. `recover_since` has what was given up since tried again."""

    endpoint_id: UUID
    breaker: Breaker
    recover_since: datetime | None = None
    arrival: None = None
    parcel: None = None


@dataclass(frozen=True, slots=True)
class Disabled:
    """To record: the receiver at this URL wants no more webhooks."""

    endpoint_id: UUID
    url: str
    reason: DisabledReason
    at: datetime
    arrival: None = None
    parcel: None = None


Entry = Seen | Attempted | Deferred | Shelved | Released | Cancelled | Tripped | Disabled
"""What becomes of an event, of a parcel, or of an endpoint."""
