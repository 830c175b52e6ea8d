"""An invitation: a secret of 256 random bits, sent to one address, of which only a digest is kept."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from sqlalchemy import LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts import resources
from flowtask_contracts.events import InvitationCreated
from flowtask_contracts.resources import Role
from flowtask_kit.database.base import choice
from flowtask_kit.ids import new_id

from ..accounts.models import Membership
from ..database import Base
from .schemas import CreatedInvitation
from .schemas import Invitation as Shown

_TOKEN = re.compile(r"fti_[0-9a-f]{64}")


def digest_of(token: str) -> bytes | None:
    """The SHA-256 digest under which a token is kept; None for what cannot be one."""
    return hashlib.sha256(token.encode()).digest() if _TOKEN.fullmatch(token) else None


class Invitation(Base):
    """A place in a workspace that waits for the person of an address; one per address, for as long as it is open."""

    __tablename__ = "invitations"
    __table_args__ = (UniqueConstraint("workspace_id", "email"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    email: Mapped[str] = mapped_column(index=True)
    role: Mapped[Role] = mapped_column(choice(Role, "role"))
    token_digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    invited_by: Mapped[UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)

    @classmethod
    def new(cls, inviter: Membership, *, email: str, role: Role, at: datetime, lasts: timedelta) -> tuple[Self, str]:
        """A new invitation to the inviter's workspace, and its token, which is nowhere else."""
        token = "fti_" + secrets.token_hex(32)
        row = cls(
            id=new_id(),
            workspace_id=inviter.workspace_id,
            email=email,
            role=role,
            token_digest=digest_of(token),
            invited_by=inviter.user_id,
            created_at=at,
            expires_at=at + lasts,
        )
        return row, token

    def created(self, inviter: Membership, token: str) -> InvitationCreated:
        """The event of it, with all that a mail to the address needs."""
        return InvitationCreated(
            workspace_id=self.workspace_id,
            subject=self.id,
            time=self.created_at,
            actor=f"user:{self.invited_by}",
            version=1,
            data=resources.Invitation(
                id=self.id,
                workspace_id=self.workspace_id,
                workspace_name=inviter.workspace.name,
                email=self.email,
                role=self.role,
                invited_by=self.invited_by,
                inviter_name=inviter.user.name,
                token=token,
                expires_at=self.expires_at,
            ),
        )

    def shown(self) -> Shown:
        """The representation that any later reading gives."""
        return Shown(
            id=self.id,
            email=self.email,
            role=self.role,
            invited_by=self.invited_by,
            created_at=self.created_at,
            expires_at=self.expires_at,
        )

    def shown_once(self, token: str) -> CreatedInvitation:
        """The representation that its creation answers with, the only one with the token."""
        return CreatedInvitation(**dict(self.shown()), token=token)
