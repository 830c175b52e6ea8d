"""What is still to be erased. A row is work that any replica goes on with; when it is done the row is gone."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Enum
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base


class Kind(StrEnum):
    """Whose mails go."""

    USER = "user"
    WORKSPACE = "workspace"


class Erasure(Base):
    """A person or workspace whose mails are to go; the projection has forgotten them already.

    `seen_at` is when a replica first saw it, by the database's clock; nothing is erased before `quiet`, when every
    transaction that began earlier, and may know them still, has ended.
    """

    __tablename__ = "erasures"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(
        Enum(
            Kind,
            name="kind",
            native_enum=False,
            create_constraint=True,
            length=20,
            values_callable=lambda kind: [member.value for member in kind],
        )
    )
    due_at: Mapped[datetime] = mapped_column(index=True)
    seen_at: Mapped[datetime | None]
    quiet: Mapped[bool]
