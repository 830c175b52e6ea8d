"""A workspace that is erased."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base


class Erasure(Base):
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
    finished_at: Mapped[datetime | None]

    def wait_for(self, settle: timedelta) -> bool:
        """True, once, when attempts that were under way may still be recorded: it is due again when they cannot."""
        last = self.heard_at + settle
        if self.due_at >= last:
            return False
        self.due_at = last
        return True
