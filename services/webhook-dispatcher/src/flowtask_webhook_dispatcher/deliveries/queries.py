"""Statements on deliveries for their owners; the hot path's statements are in `dispatch/statements.py`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, Update, case, func, select, update
from sqlalchemy.dialects.postgresql import Insert, insert

from flowtask_contracts.commands.webhooks import DeliveryStatus, ListDeliveries, Trigger

from .identity import events_of_the_millisecond, first_id_of
from .models import Attempt, Delivery, Due, Message


def deliveries(command: ListDeliveries, before: UUID | None) -> Select[Delivery, datetime]:
    """An endpoint's deliveries with the time of the next attempt, newest event first."""
    statement = _with_due().where(
        Delivery.workspace_id == command.workspace_id, Delivery.endpoint_id == command.endpoint_id
    )
    if before is not None:
        statement = statement.where(Delivery.event_id < before)
    if command.since is not None:
        statement = statement.where(Delivery.event_id >= first_id_of(command.since))
    if command.status is not None:
        statement = statement.where(Delivery.status == command.status)
    if command.event is not None:
        statement = statement.where(Delivery.type == command.event)
    return statement.order_by(Delivery.event_id.desc()).limit(command.limit + 1)


def delivery(workspace_id: UUID, delivery_id: UUID) -> Select[Delivery, datetime]:
    """One delivery with the time of its next attempt; its id says in which millisecond to look."""
    first, last = events_of_the_millisecond(delivery_id)
    return _with_due().where(
        Delivery.event_id.between(first, last),
        Delivery.delivery_id == delivery_id,
        Delivery.workspace_id == workspace_id,
    )


def attempts(event_id: UUID, endpoint_id: UUID) -> Select[Attempt]:
    """All attempts of a delivery, oldest first."""
    return (
        select(Attempt)
        .where(Attempt.event_id == event_id, Attempt.endpoint_id == endpoint_id)
        .order_by(Attempt.attempt_no)
    )


def message(event_id: UUID) -> Select[Message]:
    """The event as it came."""
    return select(Message).where(Message.event_id == event_id)


def due_now(delivery: Delivery, stream_seq: int) -> Insert:
    """One manual attempt now; a scheduled one that is waiting comes back to its time if this one fails."""
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
            "resume_at": case((scheduled, Due.next_attempt_at), else_=Due.resume_at),
        },
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


def _with_due() -> Select[Delivery, datetime]:
    return select(Delivery, Due.next_attempt_at).outerjoin(Due, Due.delivery_id == Delivery.delivery_id)
