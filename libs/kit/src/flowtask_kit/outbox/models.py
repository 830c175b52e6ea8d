"""An event is a row before it is a message."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from sqlalchemy import BigInteger, Identity, LargeBinary, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts.events import Event
from flowtask_contracts.events.schemas import check
from flowtask_kit import traces
from flowtask_kit.ids import new_id

MAX_EVENT_BYTES = 900_000
"""Below NATS's default `max_payload` of 1 MiB, so that no row can ever be refused by the server for its size."""


class EventTooLarge(Exception):
    """The event would not fit into one NATS message; what made it must set tighter limits."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as its outbox row holds it."""

    event_id: UUID
    subject: str
    headers: dict[str, Any]
    payload: bytes

    @classmethod
    def of(cls, event: Event, source: str) -> Self:
        """The event under a new id and with the trace it belongs to.

        EventTooLarge above 900,000 bytes, BrokenEvent where it breaks the schema of its type: its write fails with it.
        """
        event_id = new_id()
        payload = event.to_json(event_id, source)
        if len(payload) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"{event.type}: {len(payload)} bytes")
        check(type(event), payload)
        return cls(event_id, event.bus_subject(), traces.inject({}), payload)


class OutboxRow:
    """The columns of every service's `outbox` table; mixed into `class Outbox(OutboxRow, Base)` with its `source`.

    `seq` is drawn when the row is inserted, after the aggregate's row lock, so rows of one aggregate are in order.
    """

    __tablename__ = "outbox"
    source: ClassVar[str]

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[UUID]
    subject: Mapped[str]
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    @classmethod
    def of(cls, event: Event) -> Self:
        """The row of an event; raises what `Told.of` raises."""
        told = Told.of(event, cls.source)
        row = cls()
        row.event_id = told.event_id
        row.subject = told.subject
        row.headers = told.headers
        row.payload = told.payload
        return row
