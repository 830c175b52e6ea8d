"""Statements on what is due in order, for owners; those that decide whose turn it is are in `dispatch/order_statements.py`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Delete, Select, TextClause, Update, bindparam, delete, select, text, update

from flowtask_contracts.commands.webhook_deliveries import DeliveryStatus
from flowtask_contracts.commands.webhook_ordering import MOST_COUNTED

from ..deliveries.models import Delivery, Due

_HELD = text("""
    SELECT coalesce(h.order_group, h.order_key) AS key, h.order_group IS NOT NULL AS grouped,
           h.delivery_id, h.event_id, d.type AS event, d.resource_id, d.status, d.attempts, first.at AS since,
           nullif(h.next_attempt_at, '9999-01-01Z') AS next_attempt_at, h.blocked_at AS blocks_since,
           d.last_status_code, d.last_error, behind.waiting
    FROM webhooks.due h
    JOIN webhooks.deliveries d ON d.event_id = h.event_id AND d.endpoint_id = h.endpoint_id
    LEFT JOIN webhooks.attempts first
        ON first.event_id = h.event_id AND first.endpoint_id = h.endpoint_id AND first.attempt_no = 1
    CROSS JOIN LATERAL (
        SELECT count(*) AS waiting FROM (
            (SELECT 1 FROM webhooks.due b WHERE h.order_group IS NULL
                AND b.endpoint_id = h.endpoint_id AND b.order_key = h.order_key AND b.stream_seq > h.stream_seq LIMIT :most)
            UNION ALL
            (SELECT 1 FROM webhooks.due b
             WHERE b.endpoint_id = h.endpoint_id AND b.order_group = h.order_group AND b.stream_seq > h.stream_seq LIMIT :most)
        ) each
    ) behind
    WHERE h.endpoint_id = :endpoint AND h.order_key IS NOT NULL AND h.attempts > 0 AND h.delivery_id > :above
    ORDER BY h.delivery_id LIMIT :limit
""")
_FIRST = UUID(int=0)


def held(endpoint_id: UUID, above: UUID | None, limit: int) -> TextClause:
    """What has failed at an ordered endpoint, by delivery id, from above one: only what is first of its key is tried.

    Each with when it was first tried, and how many wait behind it, up to one more than are counted.
    """
    return _HELD.bindparams(
        bindparam("endpoint", endpoint_id), bindparam("above", above or _FIRST), most=MOST_COUNTED + 1, limit=limit
    )


def due_of(delivery_id: UUID, now: datetime) -> Select[str | None, bool]:
    """The key of a delivery that is due, and whether it is being sent; its row is locked."""
    return select(Due.order_key, Due.lease_until > now).where(Due.delivery_id == delivery_id).with_for_update()


def remove(delivery_id: UUID) -> Delete:
    """Nothing is due of it any more."""
    return delete(Due).where(Due.delivery_id == delivery_id)


def give_up(delivery: Delivery) -> Update:
    """A delivery that waits, or is tried again, is cancelled; one that was given up stays so."""
    return (
        update(Delivery)
        .where(
            Delivery.event_id == delivery.event_id,
            Delivery.endpoint_id == delivery.endpoint_id,
            Delivery.status == DeliveryStatus.PENDING,
        )
        .values(status=DeliveryStatus.CANCELLED)
    )
