"""One line of the audit log."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_kit.database.base import choice
from flowtask_kit.ids import new_id, utc_now

from ..auth.models import Caller
from ..database import Base
from . import schemas


class Outcome(StrEnum):
    """What became of it; `requested` was asked of another service, and nobody knows whether it was done."""

    REQUESTED = "requested"
    DONE = "done"


class AuditEntry(Base):
    """A change, by whom and with which key; the actor is absent where an operator or FlowTask itself did it.

    It points to nothing by a foreign key, for it outlives whatever it tells of. `command_id` is that of the command by which
    another service was asked, so that a repeat of it makes no second entry; no other command ever has it, for an
    Idempotency-Key that is used again after its time stands for another command.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        UniqueConstraint("command_id", "action"),
        Index(None, "workspace_id", text("created_at DESC"), text("id DESC")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    actor_id: Mapped[UUID | None]
    key_id: Mapped[UUID | None]
    action: Mapped[str]
    target_id: Mapped[UUID | None]
    details: Mapped[dict[str, Any]]
    outcome: Mapped[Outcome] = mapped_column(choice(Outcome, "outcome"))
    command_id: Mapped[UUID | None]
    created_at: Mapped[datetime]

    @classmethod
    def done(
        cls,
        workspace_id: UUID,
        caller: Caller | None,
        action: str,
        target_id: UUID,
        details: Mapping[str, JsonValue] | None,
    ) -> Self:
        """What happens in this very transaction."""
        return cls(
            id=new_id(),
            workspace_id=workspace_id,
            actor_id=caller.user_id if caller is not None else None,
            key_id=caller.key_id if caller is not None else None,
            action=action,
            target_id=target_id,
            details=dict(details or {}),
            outcome=Outcome.DONE,
            created_at=utc_now(),
        )

    def view(self) -> schemas.AuditEntry:
        """The representation."""
        return schemas.AuditEntry(
            id=self.id,
            action=self.action,
            actor_id=self.actor_id,
            key_id=self.key_id,
            target_type=self.action.partition(".")[0],
            target_id=self.target_id,
            details=self.details,
            outcome=self.outcome.value,
            created_at=self.created_at,
        )
