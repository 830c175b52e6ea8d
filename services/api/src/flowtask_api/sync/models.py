"""What is left of rows that were deleted, so that those who keep copies hear of it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, func
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
