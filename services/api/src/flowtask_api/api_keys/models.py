"""API keys: `ft_` and 64 hexadecimal digits, of which only a digest is kept."""

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import ARRAY, ColumnElement, ForeignKeyConstraint, Index, LargeBinary, String, func, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts.base import rfc3339
from flowtask_kit.ids import new_id

from ..auth.scopes import ADMIN
from ..database import Base
from ..http.preconditions import etag
from .errors import KeyExpired, KeyRotated
from .schemas import CreatedKey, Key

_KEY = re.compile(r"ft_[0-9a-f]{64}")


def digest_of(key: str) -> bytes | None:
    """The SHA-256 digest under which a key is kept; None for what cannot be a key.

    A key holds 256 random bits, so a plain digest cannot be guessed back and looking it up by index leaks nothing.
    """
    return hashlib.sha256(key.encode()).digest() if _KEY.fullmatch(key) else None


class ApiKey(Base):
    """A key that acts as its creator in one workspace, as far as its scopes go."""

    __tablename__ = "api_keys"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "user_id"],
            ["api.memberships.workspace_id", "api.memberships.user_id"],
            ondelete="CASCADE",  # whoever loses their place loses its keys, a key that is just being made included
        ),
        Index(None, "workspace_id", "user_id"),
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
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=f"{{{ADMIN}}}")
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_address: Mapped[str | None]
    rotated_from: Mapped[UUID | None]
    rotated_to: Mapped[UUID | None]
    rotated_first: Mapped[UUID | None]
    """The key that the chain of rotations began with; None in that key itself."""
    revoked_at: Mapped[datetime | None]

    @classmethod
    def new(
        cls,
        *,
        workspace_id: UUID,
        user_id: UUID,
        name: str,
        scopes: Sequence[str],
        expires_at: datetime | None,
        operator: bool,
        at: datetime,
    ) -> "tuple[ApiKey, str]":
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
            scopes=list(scopes),
            version=1,
            created_at=at,
            expires_at=expires_at,
        )
        return row, key

    @hybrid_property
    def chain(self) -> UUID:
        """What the keys that came of one by rotation have in common: the id of the first."""
        return self.rotated_first or self.id

    @chain.inplace.expression
    @classmethod
    def _chain(cls) -> ColumnElement[UUID]:
        return func.coalesce(cls.rotated_first, cls.id)

    @property
    def etag(self) -> str:
        """The tag of its representation as it is now, which shows when it was last used."""
        return etag(self.version, int(self.last_used_at.timestamp() * 1000) if self.last_used_at is not None else 0)

    def change(self, fields: Mapping[str, Any], *, at: datetime) -> dict[str, JsonValue]:
        """Set name, scopes or expiry; what has changed, as the audit log tells it, and empty where nothing differs.

        A key that has expired, or that gives way to another, keeps its end: KeyExpired, KeyRotated.
        """
        changes: dict[str, JsonValue] = {}
        if fields.get("name", self.name) != self.name:
            self.name, changes["name"] = fields["name"], None
        if list(fields.get("scopes", self.scopes)) != self.scopes:
            before, self.scopes = self.scopes, list(fields["scopes"])
            changes["scopes"] = {"from": [*before], "to": [*self.scopes]}
        if fields.get("expires_at", self.expires_at) != self.expires_at:
            self._require_lasting(at)
            end, self.expires_at = self.expires_at, fields["expires_at"]
            changes["expiresAt"] = {"from": _told(end), "to": _told(self.expires_at)}
        if changes:
            self.version += 1
        return changes

    def rotate(self, *, overlap: timedelta, expires_at: datetime | None, at: datetime) -> "tuple[ApiKey, str]":
        """A key for the same person with the same name and scopes, and its text; this one ends after the overlap.

        It ends earlier if it would have expired earlier. KeyExpired and KeyRotated for one that has no place to give.
        """
        self._require_lasting(at)
        row, key = ApiKey.new(
            workspace_id=self.workspace_id,
            user_id=self.user_id,
            name=self.name,
            scopes=self.scopes,
            expires_at=expires_at or self.expires_at,
            operator=self.operator,
            at=at,
        )
        row.rotated_from, row.rotated_first, self.rotated_to = self.id, self.chain, row.id
        self.expires_at = min(at + overlap, self.expires_at or at + overlap)
        self.version += 1
        return row, key

    def end(self, *, at: datetime) -> None:
        """Have the key open nothing any more, unless it has ended already: its successor gives way to another."""
        if self.expires_at is None or self.expires_at > at:
            self.expires_at = at
            self.version += 1

    def _require_lasting(self, at: datetime) -> None:
        if self.rotated_to is not None:
            raise KeyRotated
        if self.expires_at is not None and self.expires_at <= at:
            raise KeyExpired

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
            scopes=tuple(self.scopes),
            operator=self.operator,
            created_at=self.created_at,
            expires_at=self.expires_at,
            last_used_at=self.last_used_at,
            last_used_address=self.last_used_address,
            rotated_from=self.rotated_from,
            rotated_to=self.rotated_to,
        )

    def shown_once(self, key: str) -> CreatedKey:
        """The representation that its creation answers with, the only one with the whole key."""
        return CreatedKey(**{**dict(self.masked()), "key": key})


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
