"""What was sent for a test lately, so that nobody can be flooded by it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base


class Trial(Base):
    """That a test was sent, kept for a minute; nothing of what it said."""

    __tablename__ = "trials"
    __table_args__ = (
        Index("ix_trials_workspace_id", "workspace_id", "at"),
        Index("ix_trials_host", "host", "at"),
        Index("ix_trials_at", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    host: Mapped[str]
    at: Mapped[datetime]
