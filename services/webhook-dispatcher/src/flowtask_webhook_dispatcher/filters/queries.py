"""Statements on what has happened lately."""

from uuid import UUID

from sqlalchemy import Select, select

from ..deliveries.models import Message


def latest(workspace_id: UUID, limit: int) -> Select[UUID]:
    """The workspace's latest events whose content is still there, newest first."""
    return (
        select(Message.event_id)
        .where(Message.workspace_id == workspace_id, Message.erased_at.is_(None))
        .order_by(Message.event_id.desc())
        .limit(limit)
    )


def payload(event_id: UUID) -> Select[bytes]:
    """An event as it came."""
    return select(Message.payload).where(Message.event_id == event_id, Message.erased_at.is_(None))
