"""Statements on what waits to be polled, in the order of places. A delivery that has none yet stands at 0."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Select, TextClause, Update, Uuid, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import Insert, insert

from flowtask_contracts.commands.webhook_deliveries import DeliveryStatus
from flowtask_contracts.webhook_content import LARGEST_BODY

from ..deliveries.models import Delivery, Message
from .models import Polling

_SPOKEN_FOR = Delivery.status != DeliveryStatus.CANCELLED


def hold(endpoint_id: UUID) -> Select[Polling]:
    """How far an endpoint has come, locked against other polls of it."""
    return select(Polling).where(Polling.endpoint_id == endpoint_id).with_for_update()


def begin(endpoint_id: UUID) -> Insert:
    """Have an endpoint begin with its first place; nothing, if another poll has begun meanwhile."""
    return insert(Polling).values(endpoint_id=endpoint_id).on_conflict_do_nothing()


def acknowledge(endpoint_id: UUID, after: int, up_to: int) -> Update:
    """What was handed out between two places is delivered."""
    return (
        update(Delivery)
        .where(
            Delivery.endpoint_id == endpoint_id,
            Delivery.place > after,
            Delivery.place <= up_to,
            Delivery.status == DeliveryStatus.PENDING,
        )
        .values(status=DeliveryStatus.DELIVERED)
        .execution_options(synchronize_session=False)
    )


def waiting(endpoint_id: UUID, after: int, limit: int) -> Select[Any]:
    """Event, delivery and place of what comes behind a place, and how many bytes its body takes at most."""
    size = func.least(func.octet_length(Message.payload), LARGEST_BODY).label("size")
    return (
        select(Delivery.event_id, Delivery.delivery_id, Delivery.place, size)
        .join(Message, Message.event_id == Delivery.event_id)
        .where(Delivery.endpoint_id == endpoint_id, Delivery.place > after, _SPOKEN_FOR)
        .order_by(Delivery.place)
        .limit(limit)
    )


def without_place(endpoint_id: UUID, limit: int) -> Select[UUID]:
    """Events that nobody has been handed yet, the earliest first."""
    return (
        select(Delivery.event_id)
        .where(Delivery.endpoint_id == endpoint_id, Delivery.place == 0, _SPOKEN_FOR)
        .order_by(Delivery.event_id)
        .limit(limit)
    )


_GIVE = text("""
    UPDATE webhooks.deliveries d SET place = :last + told.number
    FROM unnest(:event_ids) WITH ORDINALITY AS told (event_id, number)
    WHERE d.event_id = told.event_id AND d.event_id = ANY (:event_ids) AND d.endpoint_id = :endpoint_id
""").bindparams(
    bindparam("event_ids", type_=ARRAY(Uuid())),
    bindparam("last", type_=BigInteger()),
    bindparam("endpoint_id", type_=Uuid()),
)


def give_places(endpoint_id: UUID, event_ids: Sequence[UUID], last: int) -> TextClause:
    """Give these the places behind the last one, in this order."""
    return _GIVE.bindparams(event_ids=list(event_ids), last=last, endpoint_id=endpoint_id)


def payloads(event_ids: Sequence[UUID]) -> Select[UUID, bytes, "datetime | None"]:
    """Events as they came."""
    return select(Message.event_id, Message.payload, Message.erased_at).where(Message.event_id.in_(event_ids))


_CANCEL = text("""
    UPDATE webhooks.deliveries d SET status = 'cancelled'
    FROM (
        SELECT d.event_id, d.endpoint_id FROM webhooks.endpoints e JOIN webhooks.deliveries d ON d.endpoint_id = e.id
        WHERE e.delivery = 'poll' AND e.deleted_at IS NOT NULL AND d.place >= 0 AND d.status = 'pending'
        LIMIT :most
    ) gone
    WHERE d.event_id = gone.event_id AND d.endpoint_id = gone.endpoint_id AND d.status = 'pending'
""")


def cancel_of_deleted(most: int) -> TextClause:
    """Cancel some of what waits for endpoints that were deleted."""
    return _CANCEL.bindparams(most=most)
