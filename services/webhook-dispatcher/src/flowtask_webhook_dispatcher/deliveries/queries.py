"""Statements on deliveries for their owners; the hot path's statements are in `dispatch/statements.py`."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import Delete, ScalarSelect, Select, Update, case, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from flowtask_contracts.commands.webhook_deliveries import DeliveryStatus, ListDeliveries, Trigger

from ..erasure.models import ErasedEvent
from .cursors import Place
from .identity import events_of_the_millisecond, first_id_of
from .models import NEVER, Attempt, Delivery, Due, Message

WithStanding: TypeAlias = Select[Delivery, datetime | None, UUID | None, datetime | None]
"""Deliveries, each with its `Standing`."""


def deliveries(command: ListDeliveries, before: Place | None) -> WithStanding:
    """Deliveries of a workspace with how they stand, newest event first."""
    statement = _with_due().where(Delivery.workspace_id == command.workspace_id)
    if command.endpoint_id is not None:
        statement = statement.where(Delivery.endpoint_id == command.endpoint_id)
    if command.event_id is not None:
        statement = statement.where(Delivery.event_id == command.event_id)
    if command.resource_id is not None:
        statement = statement.where(Delivery.resource_id == command.resource_id)
    if before is not None:
        statement = statement.where(tuple_(Delivery.event_id, Delivery.endpoint_id) < before)
    if command.since is not None:
        statement = statement.where(Delivery.event_id >= first_id_of(command.since))
    if command.until is not None:
        statement = statement.where(Delivery.event_id < first_id_of(command.until))
    if command.status is not None:
        statement = statement.where(Delivery.status == command.status)
        if command.status is not DeliveryStatus.DELIVERED:
            statement = statement.where(text("deliveries.status <> 'delivered'"))  # which an index knows
    if command.event is not None:
        statement = statement.where(Delivery.type == command.event)
    return statement.order_by(Delivery.event_id.desc(), Delivery.endpoint_id.desc()).limit(command.limit + 1)


def delivery(workspace_id: UUID, delivery_id: UUID) -> WithStanding:
    """One delivery with how it stands; its id says in which millisecond to look."""
    first, last = events_of_the_millisecond(delivery_id)
    return _with_due().where(
        Delivery.event_id.between(first, last),
        Delivery.delivery_id == delivery_id,
        Delivery.workspace_id == workspace_id,
    )


def attempts(event_id: UUID, endpoint_id: UUID, before: int | None, limit: int) -> Select[Attempt]:
    """Attempts of a delivery, the latest first, from below a given number."""
    statement = select(Attempt).where(Attempt.event_id == event_id, Attempt.endpoint_id == endpoint_id)
    if before is not None:
        statement = statement.where(Attempt.attempt_no < before)
    return statement.order_by(Attempt.attempt_no.desc()).limit(limit)


def attempt_times(event_id: UUID, endpoint_id: UUID) -> Select[int, datetime]:
    """Number and time of every attempt of a delivery, oldest first."""
    return (
        select(Attempt.attempt_no, Attempt.at)
        .where(Attempt.event_id == event_id, Attempt.endpoint_id == endpoint_id)
        .order_by(Attempt.attempt_no)
    )


def message(event_id: UUID) -> Select[Message]:
    """The event as it came."""
    return select(Message).where(Message.event_id == event_id)


def due_now(delivery: Delivery, stream_seq: int) -> Insert:
    """One manual attempt now; a scheduled one that is waiting comes back to its time, or its turn, if this one fails."""
    statement = insert(Due).values(
        delivery_id=delivery.delivery_id,
        event_id=delivery.event_id,
        endpoint_id=delivery.endpoint_id,
        stream_seq=stream_seq,
        next_attempt_at=func.now(),
        attempts=1,
        trigger=Trigger.MANUAL,
    )
    scheduled = Due.trigger.in_((Trigger.SCHEDULE, Trigger.RECOVERY))
    return statement.on_conflict_do_update(
        index_elements=[Due.delivery_id],
        set_={
            "next_attempt_at": func.now(),
            "trigger": Trigger.MANUAL,
            "due_since": case(((Due.next_attempt_at == NEVER) & Due.blocked_at.is_(None), Due.due_since)),
            "resume_at": case((scheduled, Due.next_attempt_at), else_=Due.resume_at),
        },
    )


def hand_out_again(delivery: Delivery) -> Update:
    """Have a delivery of an endpoint that is polled handed out once more, behind everything that was."""
    return (
        update(Delivery)
        .where(Delivery.event_id == delivery.event_id, Delivery.endpoint_id == delivery.endpoint_id)
        .values(place=0)
    )


def pending_again(delivery: Delivery) -> Update:
    """A failed delivery is pending while its manual attempt is due; a delivered one stays delivered."""
    return (
        update(Delivery)
        .where(
            Delivery.event_id == delivery.event_id,
            Delivery.endpoint_id == delivery.endpoint_id,
            Delivery.status != DeliveryStatus.DELIVERED,
        )
        .values(status=DeliveryStatus.PENDING)
    )


def erase_message(workspace_id: UUID, event_id: UUID) -> ReturningUpdate[UUID]:
    """Forget what an event said; it stays known that there was one."""
    return (
        update(Message)
        .where(Message.event_id == event_id, Message.workspace_id == workspace_id)
        .values(payload=b"{}", erased_at=func.coalesce(Message.erased_at, func.now()))
        .returning(Message.event_id)
    )


def mark_erased(event_id: UUID, now: datetime) -> Insert:
    """Have everybody who records something of this event know that it is erased."""
    return insert(ErasedEvent).values(event_id=event_id, due_at=now).on_conflict_do_nothing()


def erase_attempts(event_id: UUID) -> Update:
    """Forget what was sent and answered."""
    nothing = {"request_headers": None, "response_headers": None, "response_body": None}
    said = Attempt.request_headers.is_not(None) | Attempt.response_headers.is_not(None)
    return (
        update(Attempt).where(Attempt.event_id == event_id, said | Attempt.response_body.is_not(None)).values(nothing)
    )


def nothing_due(event_id: UUID) -> Delete:
    """What waits for another attempt does not any more."""
    return delete(Due).where(Due.event_id == event_id)


def cancelled(event_id: UUID) -> Update:
    """Deliveries that waited are cancelled, and none is owed another round."""
    waiting = Delivery.status == DeliveryStatus.PENDING
    return (
        update(Delivery)
        .where(Delivery.event_id == event_id, waiting | Delivery.recoverable)
        .values(status=case((waiting, DeliveryStatus.CANCELLED), else_=Delivery.status), recoverable=False)
    )


def _with_due() -> WithStanding:
    return select(
        Delivery, Due.next_attempt_at, func.coalesce(_first(Due.order_key), _first(Due.order_group)), Due.blocked_at
    ).outerjoin(Due, Due.delivery_id == Delivery.delivery_id)


def _first(column: InstrumentedAttribute[str | None]) -> ScalarSelect[UUID]:
    """The first delivery of the same key or group, unless it is this one."""
    other = aliased(Due)
    first = select(other.delivery_id).where(
        other.endpoint_id == Due.endpoint_id,
        getattr(other, column.key) == column,
        other.stream_seq < Due.stream_seq,
    )
    return first.order_by(other.stream_seq).limit(1).correlate(Due).scalar_subquery()
