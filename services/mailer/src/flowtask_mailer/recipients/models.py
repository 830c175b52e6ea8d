"""The mailer's projection of people and tenants: what it must know to write to somebody.

Each row holds the `version` of the news it was made of; older news never overwrites newer. Whoever is erased leaves an empty
row with the highest version there can be, so that nothing heard later, or read from a snapshot, brings them back.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base


class Recipient(Base):
    """A person; one whose address is not known gets no mail yet."""

    __tablename__ = "recipients"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    name: Mapped[str]
    version: Mapped[int]
    erased_at: Mapped[datetime | None]


class Workspace(Base):
    """A tenant, for its name; `personal` is one that has a single person in it."""

    __tablename__ = "workspaces"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    personal: Mapped[bool]
    version: Mapped[int]
    erased_at: Mapped[datetime | None]


class Membership(Base):
    """A person's place in a workspace; without a role it is one that they had."""

    __tablename__ = "memberships"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    role: Mapped[str | None]
    version: Mapped[int]


class Projection(Base):
    """How far the owner's snapshot was read; `filled_at` is set while nothing more is wanted of it."""

    __tablename__ = "projections"

    name: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[str | None]
    filled_at: Mapped[datetime | None]
