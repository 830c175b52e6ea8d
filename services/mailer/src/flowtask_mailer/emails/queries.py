"""Questions about mails."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.dialects.postgresql import Insert, insert

from flowtask_contracts.commands import ListEmails
from flowtask_contracts.commands.mailer import EmailStatus

from .models import Email


def queue(values: dict[str, Any]) -> Insert:
    """A new mail, unless this person was already written to about this event."""
    return insert(Email).values(values).on_conflict_do_nothing(index_elements=["event_id", "kind", "user_id"])


def due(now: datetime, limit: int) -> Select[Email]:
    """Mails to be tried now, the longest due first, locked; those that others hold are passed over."""
    return (
        select(Email)
        .where(
            Email.status == EmailStatus.QUEUED,
            Email.due_at <= now,
            or_(Email.lease_until.is_(None), Email.lease_until <= now),
        )
        .order_by(Email.due_at, Email.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def locked(ids: Collection[UUID]) -> Select[Email]:
    """These mails, locked in one order."""
    return select(Email).where(Email.id.in_(ids)).order_by(Email.id).with_for_update()


def oldest_due() -> Select[datetime]:
    """When the longest due of the mails that wait was due; null when none waits."""
    return select(func.min(Email.due_at)).where(Email.status == EmailStatus.QUEUED)


def emails(command: ListEmails, before: UUID | None) -> Select[Email]:
    """A workspace's mails that pass the filter, newest first, one more than asked for."""
    listed = select(Email).where(Email.workspace_id == command.workspace_id)
    if command.user_id is not None:
        listed = listed.where(Email.user_id == command.user_id)
    if command.resource_id is not None:
        listed = listed.where(Email.resource_id == command.resource_id)
    if command.status is not None:
        listed = listed.where(Email.status == command.status)
    if before is not None:
        listed = listed.where(Email.id < before)
    return listed.order_by(Email.id.desc()).limit(command.limit + 1)


def email(workspace_id: UUID, email_id: UUID) -> Select[Email]:
    """One mail of a workspace."""
    return select(Email).where(Email.workspace_id == workspace_id, Email.id == email_id)
