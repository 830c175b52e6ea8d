"""Queueing mails, and showing them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands import GetEmail, ListEmails
from flowtask_contracts.commands.mailer import EmailDetail, Emails, EmailStatus
from flowtask_contracts.events import CloudEvent
from flowtask_kit.cursors import cursor_id
from flowtask_kit.ids import new_id

from ..recipients import service as recipients
from . import queries
from .errors import EmailNotFound


async def queue(
    tx: AsyncSession, event: CloudEvent, *, kind: str, to: UUID, facts: dict[str, Any], now: datetime
) -> None:
    """Have a person written to about an event; hearing the event again changes nothing.

    Nobody is written to who is erased, or about a workspace that is.
    """
    if await recipients.is_erased(tx, user_id=to, workspace_id=event.workspaceid):
        return
    values = {
        "id": new_id(),
        "workspace_id": event.workspaceid,
        "kind": kind,
        "event_id": event.id,
        "user_id": to,
        "resource_id": event.subject,
        "facts": facts,
        "status": EmailStatus.QUEUED,
        "attempts": 0,
        "due_at": now,
        "claim_no": 0,
        "created_at": now,
    }
    await tx.execute(queries.queue(values))


async def page(tx: AsyncSession, command: ListEmails) -> Emails:
    """A page of a workspace's mails, newest first; the cursor is the last id seen."""
    found = (await tx.scalars(queries.emails(command, cursor_id(command.cursor)))).all()
    shown = found[: command.limit]
    return Emails(
        items=tuple(email.view() for email in shown),
        next_cursor=str(shown[-1].id) if len(found) > command.limit else None,
    )


async def get(tx: AsyncSession, command: GetEmail) -> EmailDetail:
    """One mail with what stands in it."""
    found = await tx.scalar(queries.email(command.workspace_id, command.email_id))
    if found is None:
        raise EmailNotFound
    return found.detail()
