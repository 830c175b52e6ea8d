"""API keys: `ft_` and 64 hexadecimal digits, of which only a digest is kept."""

import hashlib
import re
import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_kit.ids import new_id

from ..database import Base
from .schemas import CreatedKey, Key

_KEY = re.compile(r"ft_[0-9a-f]{64}")


def digest_of(key: str) -> bytes | None:
    """The SHA-256 digest under which a key is kept; None for what cannot be a key.

    A key holds 256 random bits, so a plain digest cannot be guessed back and looking it up by index leaks nothing.
    """
    return hashlib.sha256(key.encode()).digest() if _KEY.fullmatch(key) else None


class ApiKey(Base):
    """A key that acts as its creator in one workspace."""

    __tablename__ = "api_keys"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "user_id"], ["api.memberships.workspace_id", "api.memberships.user_id"]),
        Index(
            None, "workspace_id", text("created_at DESC"), text("id DESC"), postgresql_where=text("revoked_at IS NULL")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    user_id: Mapped[UUID]
    name: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    last4: Mapped[str]
    operator: Mapped[bool]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @classmethod
    def new(cls, *, workspace_id: UUID, user_id: UUID, name: str, operator: bool, at: datetime) -> "tuple[ApiKey, str]":
        """A new key, and its text, which is nowhere else."""
        key = "ft_" + secrets.token_hex(32)
        row = cls(
            id=new_id(),
            workspace_id=workspace_id,
            user_id=user_id,
            name=name,
            digest=digest_of(key),
            last4=key[-4:],
            operator=operator,
            created_at=at,
        )
        return row, key

    def revoke(self, *, at: datetime) -> None:
        """From now on the key opens nothing."""
        self.revoked_at = at

    def masked(self) -> Key:
        """The representation that any later reading gives."""
        return Key(
            id=self.id,
            name=self.name,
            key=f"ft_****{self.last4}",
            user_id=self.user_id,
            operator=self.operator,
            created_at=self.created_at,
            last_used_at=self.last_used_at,
        )

    def shown_once(self, key: str) -> CreatedKey:
        """The representation that its creation answers with, the only one with the whole key."""
        return CreatedKey(**{**dict(self.masked()), "key": key})
