"""What is still to be erased. A row is work that any replica goes on with; when it is done the row is gone."""

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts.events import Event
from flowtask_kit.database.base import choice
from flowtask_kit.database.steps import Steps
from flowtask_kit.ids import new_id

from ..accounts.models import User, Workspace, user_erased, workspace_erased
from ..database import Base


class Kind(StrEnum):
    """What is cleared up: after a workspace, after a person, or after a person's place in a workspace that stays."""

    WORKSPACE = "workspace"
    USER = "user"
    DEPARTURE = "departure"


class Erasure(Steps, Base):
    """One of them. Ids only: nobody can read out of it who it was.

    `about` is the digest of the person's address, under which invitations of it are kept among the answers; `version` is that
    of the event which ends it.
    """

    __tablename__ = "erasures"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(choice(Kind, "kind"))
    workspace_id: Mapped[UUID] = mapped_column(index=True)
    user_id: Mapped[UUID | None] = mapped_column(index=True)
    actor: Mapped[str]
    version: Mapped[int]
    about: Mapped[bytes | None] = mapped_column(LargeBinary)
    requested_at: Mapped[datetime]

    @classmethod
    def of_workspace(cls, workspace: Workspace, *, actor: str, at: datetime) -> Self:
        """Everything in a workspace, which is hidden from here on."""
        workspace.erased_at = at
        return cls._new(Kind.WORKSPACE, workspace.id, None, actor, workspace.version + 1, at)

    @classmethod
    def of_person(cls, user: User, *, workspace_id: UUID, about: bytes | None, at: datetime) -> Self:
        """What is left of a person; `workspace_id` was theirs alone."""
        made = cls._new(Kind.USER, workspace_id, user.id, user.actor, user.version + 1, at)
        made.about = about
        return made

    @classmethod
    def of_departure(cls, workspace_id: UUID, user_id: UUID, *, actor: str, at: datetime) -> Self:
        """What somebody leaves behind in a workspace: tasks that are open and theirs."""
        return cls._new(Kind.DEPARTURE, workspace_id, user_id, actor, 1, at)

    def done(self, *, at: datetime) -> Event | None:
        """The event that tells every other service; a departure was told when it happened."""
        match self.kind:
            case Kind.WORKSPACE:
                return workspace_erased(self.workspace_id, actor=self.actor, version=self.version, at=at)
            case Kind.USER:
                assert self.user_id is not None
                return user_erased(self.user_id, workspace_id=self.workspace_id, version=self.version, at=at)
            case Kind.DEPARTURE:
                return None

    @classmethod
    def _new(cls, kind: Kind, workspace_id: UUID, user_id: UUID | None, actor: str, version: int, at: datetime) -> Self:
        return cls(
            id=new_id(),
            kind=kind,
            workspace_id=workspace_id,
            user_id=user_id,
            actor=actor,
            version=version,
            requested_at=at,
            due_at=at,
            quiet=False,
        )
