"""Workspaces and single events that are erased."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_kit.database.steps import Steps

from ..database import Base


class Erasure(Steps, Base):
    """Work until `finished_at`; then a tombstone, so that nothing that comes late can bring the workspace back.

    `revision` is that of the endpoints at which every replica learns of it.
    """

    __tablename__ = "erasures"
    __table_args__ = (
        Index("ix_erasures_revision", "revision"),
        Index("ix_erasures_due_at", "due_at", postgresql_where=text("finished_at IS NULL")),
    )

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    heard_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime]
    quiet: Mapped[bool] = mapped_column(server_default=false())
    finished_at: Mapped[datetime | None]


class ErasedEvent(Steps, Base):
    """An event whose content is erased; kept as long as events are, so that what comes late of it has none."""

    __tablename__ = "erased_events"
    __table_args__ = (Index("ix_erased_events_due_at", "due_at", postgresql_where=text("finished_at IS NULL")),)

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
    quiet: Mapped[bool] = mapped_column(server_default=false())
    finished_at: Mapped[datetime | None]
