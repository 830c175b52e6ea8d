"""What is left of rows that were deleted, so that those who keep copies hear of it, and what syncs know of themselves."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from ..database import THIS_TRANSACTION, Base


class Tombstone(Base):
    """A task or project that is gone; a trigger writes it in the transaction of the deletion."""

    __tablename__ = "tombstones"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    changed_in: Mapped[int] = mapped_column(BigInteger, primary_key=True, server_default=THIS_TRANSACTION)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    deleted_at: Mapped[datetime] = mapped_column(index=True, server_default=func.now())


class SyncState(Base):
    """The one row of what syncs know.

    `token_key` seals tokens. `system` is the server whose transactions the numbers of changes are known to count;
    `renumbered_to` is the block up to which tables that came from another one were gone through, null when all were.
    """

    __tablename__ = "sync_state"
    __table_args__ = (CheckConstraint("single", name="single"),)

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    token_key: Mapped[bytes]
    system: Mapped[int | None] = mapped_column(BigInteger)
    renumbered_to: Mapped[int | None] = mapped_column(BigInteger)
