"""A task decides what may become of it and tells the events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, Computed, Enum, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from flowtask_contracts import resources
from flowtask_contracts.events import (
    TaskAssigned,
    TaskCompleted,
    TaskCreated,
    TaskDeleted,
    TaskUpdated,
    changes_between,
)
from flowtask_contracts.events.envelope import Change
from flowtask_contracts.events.tasks import TaskEvent
from flowtask_contracts.resources import TaskPriority, TaskStatus
from flowtask_kit.ids import new_id

from ..database import THIS_TRANSACTION, Base
from ..http.preconditions import etag
from ..projects.models import Project

E = TypeVar("E", bound=TaskEvent)


URGENCY = "CASE priority WHEN 'LOW' THEN 0 WHEN 'MEDIUM' THEN 1 WHEN 'HIGH' THEN 2 WHEN 'URGENT' THEN 3 END"
SEARCHED = "lower(title || chr(10) || \"left\"(COALESCE(description, ''), 1000))"
"""What a search looks into: the title and the first thousand characters of the description, in lower case."""

COUNTED = ["status", "urgency"]
"""What indexes hold beside their keys, so that tasks can be counted without being read."""

RANKS: Mapping[TaskPriority, int] = {priority: rank for rank, priority in enumerate(TaskPriority)}


class ProjectShown(Protocol):
    """What a task shows of its project."""

    id: Any
    name: Any
    version: Any


class TaskRules:
    """What may become of a task, whatever holds its fields."""

    id: Any
    workspace_id: Any
    title: Any
    description: Any
    status: Any
    priority: Any
    due_date: Any
    project_id: Any
    assignee_id: Any
    version: Any
    created_by: Any
    created_at: Any
    updated_at: Any
    completed_at: Any
    project: Any

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None:
            """Each field by its name."""

    @classmethod
    def new(
        cls, fields: Mapping[str, Any], project: ProjectShown | None, *, workspace_id: UUID, by: UUID, at: datetime
    ) -> Self:
        """A task that was not there before; one that begins as DONE is completed in the same moment."""
        return cls(
            **fields,
            id=new_id(),
            workspace_id=workspace_id,
            project_id=project.id if project is not None else None,
            project=project,
            version=1,
            created_by=by,
            created_at=at,
            updated_at=at,
            completed_at=at if fields["status"] is TaskStatus.DONE else None,
        )

    @property
    def etag(self) -> str:
        """The tag of its representation as it is now."""
        project = self.project if self.project_id is not None else None
        return etag(self.version) if project is None else etag(self.version, project.version)

    def resource(self) -> resources.Task:
        """The REST representation; the project must have been loaded."""
        project = self.project if self.project_id is not None else None
        return resources.Task(
            id=self.id,
            title=self.title,
            description=self.description,
            status=self.status,
            priority=self.priority,
            due_date=self.due_date,
            project_id=self.project_id,
            project=resources.ProjectRef(id=project.id, name=project.name) if project is not None else None,
            assignee_id=self.assignee_id,
            created_at=self.created_at,
            updated_at=self.updated_at,
            completed_at=self.completed_at,
        )

    def created(self, *, actor: str) -> list[TaskEvent]:
        """The events of a new task: created, and what it already is."""
        kinds: list[type[TaskEvent]] = [TaskCreated]
        if self.assignee_id is not None:
            kinds.append(TaskAssigned)
        if self.status is TaskStatus.DONE:
            kinds.append(TaskCompleted)
        return [self._event(kind, actor=actor, at=self.created_at) for kind in kinds]

    def change(self, fields: Mapping[str, Any], *, actor: str, at: datetime) -> list[TaskEvent]:
        """Set the given fields; `updated` and every more specific event, or none where nothing differs.

        A task that becomes DONE is completed now; one that leaves DONE no longer is.
        """
        before = self._wire()
        was_done, assignee_before = self.status is TaskStatus.DONE, self.assignee_id
        for name, value in fields.items():
            setattr(self, name, value)
        done = self.status is TaskStatus.DONE
        if done != was_done:
            self.completed_at = at if done else None
        changes = changes_between(before, self._wire())
        if not changes:
            return []
        self.version += 1
        self.updated_at = at
        kinds: list[type[TaskEvent]] = []
        if self.assignee_id is not None and self.assignee_id != assignee_before:
            kinds.append(TaskAssigned)
        if done and not was_done:
            kinds.append(TaskCompleted)
        return [
            self._event(TaskUpdated, actor=actor, at=at, changes=changes),
            *(self._event(kind, actor=actor, at=at) for kind in kinds),
        ]

    def deleted(self, *, actor: str, at: datetime) -> TaskDeleted:
        """The event of a task that is gone, with its last state."""
        return self._event(TaskDeleted, actor=actor, at=at, version=self.version + 1)

    def _wire(self) -> dict[str, Any]:
        """The fields that can change, as they are sent; the project counts by its id."""
        return self.resource().model_dump(mode="json", by_alias=True, exclude={"project", "updated_at"})

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


@dataclass(slots=True, kw_only=True)
class TaskRecord(TaskRules):
    """A task as the driver gives and takes it; one of these costs a tenth of what a mapped one does."""

    id: UUID
    workspace_id: UUID
    title: str
    description: str | None
    status: TaskStatus
    priority: TaskPriority
    due_date: datetime | None
    project_id: UUID | None
    assignee_id: UUID | None
    version: int
    created_by: UUID
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    project: "ProjectRecord | None" = None


@dataclass(slots=True)
class ProjectRecord:
    """What a task shows of its project."""

    id: UUID
    name: str
    version: int


class Task(TaskRules, Base):
    """A task. It has no foreign key to its workspace: every insert would lock that one row.

    What PostgreSQL fills in: `urgency` is the rank of the priority, `searched` what a search looks into, `changed_in` the
    transaction that has changed the row last.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        Index(None, "workspace_id", text("created_at DESC"), text("id DESC")),
        Index(None, "workspace_id", "project_id", text("created_at DESC"), text("id DESC"), postgresql_include=COUNTED),
        Index(
            None, "workspace_id", "assignee_id", text("created_at DESC"), text("id DESC"), postgresql_include=COUNTED
        ),
        Index(None, "workspace_id", "status", text("created_at DESC"), text("id DESC")),
        Index(
            "ix_tasks_workspace_id_urgency",
            "workspace_id",
            text("urgency DESC"),
            text("created_at DESC"),
            text("id DESC"),
        ),
        Index(None, "workspace_id", "due_date", "id"),
        Index(None, "workspace_id", "changed_in", "id"),
        Index("ix_tasks_search_keys", text("api.search_keys(workspace_id, searched)"), postgresql_using="gin"),
        Index(None, "project_id", "id", postgresql_where=text("project_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    title: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[TaskStatus] = mapped_column(
        Enum(TaskStatus, name="status", native_enum=False, create_constraint=True, length=20)
    )
    priority: Mapped[TaskPriority] = mapped_column(
        Enum(TaskPriority, name="priority", native_enum=False, create_constraint=True, length=20)
    )
    due_date: Mapped[datetime | None]
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey(Project.id))
    assignee_id: Mapped[UUID | None]
    version: Mapped[int]
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    urgency: Mapped[int] = mapped_column(SmallInteger, Computed(URGENCY, persisted=True))
    searched: Mapped[str] = mapped_column(Computed(SEARCHED, persisted=True))
    changed_in: Mapped[int] = mapped_column(BigInteger, server_default=THIS_TRANSACTION)

    project: Mapped[Project | None] = relationship(lazy="raise")
