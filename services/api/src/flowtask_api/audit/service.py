"""Writing changes down in the transaction that makes them, and reading what was written."""

from collections.abc import Mapping
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from ..auth.models import Caller
from ..http.paging import Page, continued
from . import queries
from .models import AuditEntry
from .schemas import ListEntriesQuery


def record(
    tx: AsyncSession,
    caller: Caller,
    action: str,
    target_id: UUID,
    details: Mapping[str, JsonValue] | None = None,
    *,
    workspace_id: UUID | None = None,
) -> None:
    """Tell what the caller does in this transaction: the change and its entry commit together or not at all.

    `workspace_id` is where it was done, unless that is the workspace of the credential.

    `action` is `<kind>.<past tense>`, as `member.removed`. The details are kept for ever: no secrets in them, and nobody's
    name or address.
    """
    tx.add(AuditEntry.done(workspace_id or caller.workspace_id, caller, action, target_id, details))


def record_by_system(
    tx: AsyncSession, workspace_id: UUID, action: str, target_id: UUID, details: Mapping[str, JsonValue] | None = None
) -> None:
    """Tell what an operator by hand, or FlowTask itself, does to a workspace in this transaction."""
    tx.add(AuditEntry.done(workspace_id, None, action, target_id, details))


async def list_entries(tx: AsyncSession, caller: Caller, asked: ListEntriesQuery) -> Page[AuditEntry]:
    """The workspace's entries that pass the filter, newest first."""
    return await continued(
        tx,
        queries.entries(caller.workspace_id, asked),
        asked,
        AuditEntry.created_at,
        AuditEntry.id,
        lambda entry: (entry.created_at, entry.id),
        descending=True,
    )
