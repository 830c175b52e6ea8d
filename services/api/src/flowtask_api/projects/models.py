"""A project decides what may become of it and tells the events."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts import resources
from flowtask_contracts.events import ProjectCreated, ProjectDeleted, ProjectUpdated, changes_between
from flowtask_contracts.events.envelope import Change
from flowtask_contracts.events.projects import ProjectEvent
from flowtask_kit.ids import new_id

from ..database import THIS_TRANSACTION, Base
from ..http.preconditions import etag

E = TypeVar("E", bound=ProjectEvent)


class Project(Base):
    """A project. With `deleted_at` it is hidden, together with its tasks, and waits for its deletion to be finished.

    It has no foreign key to its workspace: every insert would lock that one row. `changed_in` is the transaction that has
    changed the row last; PostgreSQL fills it in.
    """

    __tablename__ = "projects"
    __table_args__ = (
        Index(
            None,
            "workspace_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(None, "workspace_id", "changed_in", "id"),
        Index(None, "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
        Index("ix_projects_hidden", "workspace_id", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    name: Mapped[str]
    description: Mapped[str | None]
    owner_id: Mapped[UUID]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    deleted_by: Mapped[str | None]
    changed_in: Mapped[int] = mapped_column(BigInteger, server_default=THIS_TRANSACTION)

    @classmethod
    def new(cls, *, workspace_id: UUID, owner_id: UUID, name: str, description: str | None, at: datetime) -> Self:
        """A project that was not there before."""
        return cls(
            id=new_id(),
            workspace_id=workspace_id,
            owner_id=owner_id,
            name=name,
            description=description,
            version=1,
            created_at=at,
            updated_at=at,
        )

    @property
    def etag(self) -> str:
        """The tag of its representation as it is now."""
        return etag(self.version)

    def resource(self) -> resources.Project:
        """The REST representation."""
        return resources.Project(
            id=self.id,
            name=self.name,
            description=self.description,
            owner_id=self.owner_id,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )

    def created(self, *, actor: str) -> ProjectCreated:
        """The event of a new project."""
        return self._event(ProjectCreated, actor=actor, at=self.created_at)

    def change(self, fields: Mapping[str, Any], *, actor: str, at: datetime) -> ProjectUpdated | None:
        """Set the given fields; None where nothing differs, and then nothing is touched."""
        before = self.resource().model_dump(mode="json", by_alias=True)
        for name, value in fields.items():
            setattr(self, name, value)
        changes = changes_between(before, self.resource().model_dump(mode="json", by_alias=True))
        if not changes:
            return None
        self.version += 1
        self.updated_at = at
        return self._event(ProjectUpdated, actor=actor, at=at, changes=changes)

    def hide(self, *, actor: str, at: datetime) -> None:
        """Take the project and its tasks out of sight; the deletion that follows tells the events."""
        self.deleted_at, self.deleted_by = at, actor

    def deleted(self, *, at: datetime) -> ProjectDeleted:
        """The event of a project that is gone, with its last state, in the name of who hid it."""
        return self._event(ProjectDeleted, actor=self.deleted_by or "system", at=at, version=self.version + 1)

    def _event(
        self,
        kind: type[E],
        *,
        actor: str,
        at: datetime,
        version: int | None = None,
        changes: dict[str, Change] | None = None,
    ) -> E:
        return kind(
            workspace_id=self.workspace_id,
            subject=self.id,
            time=at,
            actor=actor,
            version=version or self.version,
            data=self.resource(),
            changes=changes,
        )
