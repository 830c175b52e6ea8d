"""Statements about the audit log."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Select, delete, select
from sqlalchemy.dialects.postgresql import Insert, insert

from .models import AuditEntry, Outcome
from .schemas import ListEntriesQuery


def entries(workspace_id: UUID, asked: ListEntriesQuery) -> Select[AuditEntry]:
    """A workspace's entries that pass the filter, newest first."""
    listed = select(AuditEntry).where(AuditEntry.workspace_id == workspace_id)
    if asked.action is not None:
        kind, _, verb = asked.action.partition(".")
        action = AuditEntry.action
        listed = listed.where(action.startswith(f"{kind}.", autoescape=True) if verb == "*" else action == asked.action)
    if asked.actor_id is not None:
        listed = listed.where(AuditEntry.actor_id == asked.actor_id)
    if asked.target_id is not None:
        listed = listed.where(AuditEntry.target_id == asked.target_id)
    if asked.since is not None:
        listed = listed.where(AuditEntry.created_at >= asked.since)
    if asked.until is not None:
        listed = listed.where(AuditEntry.created_at < asked.until)
    return listed.order_by(AuditEntry.created_at.desc(), AuditEntry.id.desc())


def request(values: Mapping[str, Any]) -> Insert:
    """Write down what is about to be asked; nothing where the command has its entry already."""
    return (
        insert(AuditEntry)
        .values(**values, outcome=Outcome.REQUESTED)
        .on_conflict_do_nothing(index_elements=[AuditEntry.command_id, AuditEntry.action])
    )


def settle(values: Mapping[str, Any]) -> Insert:
    """What was asked is done; an entry that says so already stays as it is, and one that is gone is written anew."""
    done = insert(AuditEntry).values(**values, outcome=Outcome.DONE)
    return done.on_conflict_do_update(
        index_elements=[AuditEntry.command_id, AuditEntry.action],
        set_={name: done.excluded[name] for name in ("outcome", "target_id", "details")},
        where=AuditEntry.outcome == Outcome.REQUESTED,
    )


def withdraw(entry_id: UUID) -> Delete:
    """What was asked was refused: it has changed nothing, and is not told."""
    return delete(AuditEntry).where(AuditEntry.id == entry_id, AuditEntry.outcome == Outcome.REQUESTED)
