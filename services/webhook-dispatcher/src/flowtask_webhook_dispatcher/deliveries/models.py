"""What happened to each event at each endpoint, and what is still due. The rules are pure and decide everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import REAL, BigInteger, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts.commands.webhook_deliveries import Attempt as AttemptView
from flowtask_contracts.commands.webhook_deliveries import Delivery as DeliveryView
from flowtask_contracts.commands.webhook_deliveries import DeliveryStatus, Header, Trigger
from flowtask_contracts.commands.webhooks import DisabledReason, RetryOn

from ..database import Base

_RETRYABLE = frozenset({408, 425, 429})
_GONE = 410


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver said 2xx; `disables` when it wants no more webhooks all the same."""

    disables: DisabledReason | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Trying again may help; the receiver may ask for a longer wait."""

    wait: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Gone:
    """Trying again cannot help; `disables` when it would not help with any other event either.

    `unwanted` when the receiver has said that it can do without.
    """

    disables: DisabledReason | None = None
    unwanted: bool = False


Outcome = Accepted | Failed | Gone
ACCEPTED = Accepted()


@dataclass(frozen=True, slots=True)
class Delivered:
    """Nothing is due any more: it arrived."""


@dataclass(frozen=True, slots=True)
class DueAgain:
    """Another attempt at that time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Nothing is due any more: it did not arrive. `exhausted` if it was tried as often as its schedule says."""

    exhausted: bool = False


Next = Delivered | DueAgain | GivenUp


def outcome_of(
    status: int, retry_on: RetryOn = RetryOn.SERVER, *, wait: timedelta = timedelta(0), wish: str | None = None
) -> Outcome:
    """What an answer means. 2xx is delivered, 410 ends the subscription, the rest is as `retry_on` says.

    `wait` is what the answer asks for by Retry-After, `wish` its `webhook-delivery` header: `abort-message` ends the tries of
    this delivery, `disable` the subscription, whatever the status.
    """
    disables = DisabledReason.RECEIVER if wish == "disable" else None
    if 200 <= status < 300:  # noqa: PLR2004 - status classes
        return Accepted(disables) if disables else ACCEPTED
    if disables is None and status == _GONE:
        disables = DisabledReason.GONE
    server = status >= 500 or status in _RETRYABLE  # noqa: PLR2004
    if disables is not None or wish == "abort-message" or not (server or retry_on is RetryOn.ANY):
        return Gone(disables, unwanted=wish == "abort-message")
    return Failed(wait)


def settle(
    attempts: int, outcome: Outcome, schedule: Sequence[timedelta], now: datetime, *, jitter: float = 0.0
) -> Next:
    """What follows the `attempts`-th attempt: delivered, given up, or due again; nothing else can.

    `jitter` (0 to 1) lengthens a wait by up to a tenth of it; a wait is never shorter than the schedule says.
    """
    match outcome:
        case Accepted():
            return Delivered()
        case Failed(wait) if attempts <= len(schedule):
            planned = schedule[attempts - 1]
            return DueAgain(at=now + max(planned + planned * 0.1 * jitter, wait))
        case Failed():
            return GivenUp(exhausted=True)
        case Gone():
            return GivenUp()


def status_of(following: Next) -> DeliveryStatus:
    """The delivery's status once that is settled."""
    match following:
        case Delivered():
            return DeliveryStatus.DELIVERED
        case DueAgain():
            return DeliveryStatus.PENDING
        case GivenUp():
            return DeliveryStatus.FAILED


class Message(Base):
    """A public event as it came from the bus, matched or not; kept in daily partitions."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_workspace_id_event_id", "workspace_id", "event_id"),
        Index("ix_messages_resource", "workspace_id", "resource_id", "event_id"),
        Index("ix_messages_type", "workspace_id", "type", "event_id"),
        {"postgresql_partition_by": "RANGE (event_id)"},
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    type: Mapped[str]
    resource_id: Mapped[str]
    stream_seq: Mapped[int] = mapped_column(BigInteger)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    erased_at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Delivery(Base):
    """One event at one endpoint. `attempts` counts every answer or failure received, scheduled or not.

    `recoverable` says that it ran out of tries and has not had another round yet. Where its endpoint is polled it has a `place`,
    which is 0 until it is handed out.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("ix_deliveries_endpoint_id_event_id", "endpoint_id", "event_id"),
        Index("ix_deliveries_workspace", "workspace_id", "event_id"),
        Index("ix_deliveries_resource", "resource_id", "event_id"),
        Index("ix_deliveries_undelivered", "workspace_id", "event_id", postgresql_where=text("status <> 'delivered'")),
        Index("ix_deliveries_recoverable", "endpoint_id", "last_attempt_at", postgresql_where=text("recoverable")),
        Index("ix_deliveries_place", "endpoint_id", "place", "event_id", postgresql_where=text("place IS NOT NULL")),
        Index("ix_deliveries_open", "endpoint_id", "event_id", postgresql_where=text("status <> 'delivered'")),
        {"postgresql_partition_by": "RANGE (event_id)"},
    )

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID]
    workspace_id: Mapped[UUID]
    type: Mapped[str]
    resource_id: Mapped[str]
    status: Mapped[str]
    attempts: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_attempt_at: Mapped[datetime | None]
    last_status_code: Mapped[int | None]
    last_error: Mapped[str | None]
    recoverable: Mapped[bool] = mapped_column(server_default=text("false"))
    place: Mapped[int | None] = mapped_column(BigInteger)

    def view(
        self, next_attempt_at: datetime | None, blocked_by: UUID | None = None, blocks_since: datetime | None = None
    ) -> DeliveryView:
        """What the owner sees of it, as it stands."""
        return DeliveryView(
            id=self.delivery_id,
            event_id=self.event_id,
            endpoint_id=self.endpoint_id,
            event=self.type,
            resource_id=self.resource_id,
            status=DeliveryStatus(self.status),
            attempts=self.attempts,
            created_at=self.created_at,
            last_attempt_at=self.last_attempt_at,
            next_attempt_at=None if next_attempt_at == NEVER else next_attempt_at,
            last_status_code=self.last_status_code,
            last_error=self.last_error,
            blocked_by=blocked_by,
            blocks_since=blocks_since,
        )


class Standing(NamedTuple):
    """How a delivery stands: when it is tried next, which one it waits behind, and since when it blocks others itself."""

    next_attempt_at: datetime | None
    blocked_by: UUID | None
    blocks_since: datetime | None


class Attempt(Base):
    """One request to a receiver and what came back."""

    __tablename__ = "attempts"
    __table_args__ = ({"postgresql_partition_by": "RANGE (event_id)"},)

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    attempt_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    trigger: Mapped[str]
    at: Mapped[datetime]
    duration_ms: Mapped[int]
    status_code: Mapped[int | None]
    error: Mapped[str | None]
    error_code: Mapped[str | None]
    dns_ms: Mapped[float | None] = mapped_column(REAL)
    connect_ms: Mapped[float | None] = mapped_column(REAL)
    tls_ms: Mapped[float | None] = mapped_column(REAL)
    first_byte_ms: Mapped[float | None] = mapped_column(REAL)
    trace_id: Mapped[str | None]
    request_headers: Mapped[bytes | None] = mapped_column(LargeBinary)
    response_headers: Mapped[bytes | None] = mapped_column(LargeBinary)
    response_body: Mapped[str | None]
    response_truncated: Mapped[bool] = mapped_column(server_default=text("false"))

    def view(self, next_attempt_at: datetime | None) -> AttemptView:
        """What the owner sees; the next attempt is the one that was made, or what is due."""
        return AttemptView(
            number=self.attempt_no,
            trigger=Trigger(self.trigger),
            at=self.at,
            duration_ms=self.duration_ms,
            next_attempt_at=next_attempt_at,
            dns_ms=_rounded(self.dns_ms),
            connect_ms=_rounded(self.connect_ms),
            tls_ms=_rounded(self.tls_ms),
            first_byte_ms=_rounded(self.first_byte_ms),
            status_code=self.status_code,
            error=self.error,
            error_code=self.error_code,
            trace_id=self.trace_id,
            request_headers=headers_of(self.request_headers),
            response_headers=headers_of(self.response_headers),
            response_body=self.response_body,
            response_truncated=self.response_truncated,
        )


def headers_of(kept: bytes | None) -> tuple[Header, ...]:
    """Headers as they are kept: `name: value`, a line each, in Latin-1."""
    lines = (kept or b"").decode("latin-1").split("\n")
    return tuple(Header(name=name, value=value) for name, _, value in (line.partition(": ") for line in lines) if name)


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)


NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a row is due that has not had its turn. Versions that know of no order compare it like any other time."""


class Due(Base):
    """Work: an attempt to be made at `next_attempt_at`. Deleted when the delivery is settled.

    `claim_no` is the fence: it rises with each claim, and only a result of the current claim settles. `attempts`
    counts scheduled attempts. A manual attempt leaves it as it is and goes back to `resume_at`, if there is one.
    `due_since` is when it was first due, where it was claimed and given back since, or waits for others; else that is
    `next_attempt_at`.

    Rows with an `order_key` go one after another by `stream_seq`, and so do those with one `order_group`. One that has not had
    its turn is due at `NEVER`, and so is one that was given up and, since `blocked_at`, holds up those after it.
    """

    __tablename__ = "due"
    __table_args__ = (
        Index("ix_due_first", "endpoint_id", "next_attempt_at", postgresql_where=text("attempts = 0")),
        Index("ix_due_retry", "endpoint_id", "next_attempt_at", postgresql_where=text("attempts > 0")),
        Index("ix_due_replay", "endpoint_id", "next_attempt_at", postgresql_where=text("trigger = 'replay'")),
        Index("ix_due_event_id", "event_id"),
        Index("ix_due_order", "endpoint_id", "stream_seq", postgresql_where=text("order_key IS NOT NULL")),
        Index(
            "ix_due_order_key", "endpoint_id", "order_key", "stream_seq", postgresql_where=text("order_key IS NOT NULL")
        ),
        Index(
            "ix_due_order_group",
            *("endpoint_id", "order_group", "stream_seq"),
            postgresql_where=text("order_group IS NOT NULL"),
        ),
        Index(
            "ix_due_held",
            *("endpoint_id", "delivery_id"),
            postgresql_where=text("order_key IS NOT NULL AND attempts > 0"),
        ),
        Index("ix_due_blocked", "endpoint_id", postgresql_where=text("blocked_at IS NOT NULL")),
    )

    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    endpoint_id: Mapped[UUID]
    stream_seq: Mapped[int] = mapped_column(BigInteger)
    order_key: Mapped[str | None]
    order_group: Mapped[str | None]
    next_attempt_at: Mapped[datetime]
    lease_until: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    claim_no: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    trigger: Mapped[str] = mapped_column(server_default=text("'schedule'"))
    resume_at: Mapped[datetime | None]
    due_since: Mapped[datetime | None]
    blocked_at: Mapped[datetime | None]


class UnreadableMessage(Base):
    """A message of the stream that is not an event: never sent, never dropped, kept for whoever mends its sender."""

    __tablename__ = "unreadable_messages"

    stream_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    subject: Mapped[str]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    error: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
