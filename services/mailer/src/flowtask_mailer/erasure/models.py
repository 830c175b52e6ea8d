"""What is still to be erased. A row is work that any replica goes on with; when it is done the row is gone."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from flowtask_kit.database.base import choice
from flowtask_kit.database.steps import Steps

from ..database import Base


class Kind(StrEnum):
    """Whose mails go."""

    USER = "user"
    WORKSPACE = "workspace"


class Erasure(Steps, Base):
    """A person or workspace whose mails are to go; the projection has forgotten them already."""

    __tablename__ = "erasures"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(choice(Kind, "kind"))
