"""Tasks as callers send them."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from flowtask_contracts.base import Instant, Text
from flowtask_contracts.resources import TaskPriority, TaskStatus

from ..http.paging import PageQuery
from ..http.schemas import Body, Description, Moment, Name
from . import searching


class CreateTask(Body):
    """A new task."""

    title: Name = Field(examples=["Write the launch announcement"])
    description: Description | None = Field(default=None, examples=["Two paragraphs, and a picture."])
    status: TaskStatus = TaskStatus.TODO
    priority: TaskPriority = Field(default=TaskPriority.MEDIUM, examples=["HIGH"])
    due_date: Moment | None = Field(
        default=None, description="RFC 3339, with an offset.", examples=["2026-12-01T17:00:00Z"]
    )
    project_id: UUID | None = None
    assignee_id: UUID | None = Field(default=None, description="A member of the workspace.")


class UpdateTask(Body):
    """The fields to change; those left out stay as they are."""

    title: Name = Field(default_factory=str)
    description: Description | None = None
    status: TaskStatus = Field(default_factory=lambda: TaskStatus.TODO, examples=["DONE"])
    priority: TaskPriority = Field(default_factory=lambda: TaskPriority.MEDIUM)
    due_date: Moment | None = Field(default=None, description="RFC 3339, with an offset; null takes it away.")
    project_id: UUID | None = None
    assignee_id: UUID | None = Field(default=None, description="A member of the workspace; null takes them off it.")


class TaskSort(StrEnum):
    """Orders of a task list; `-` is descending. Tasks without a due date come last in both of its orders.

    Tasks of one priority stand by time of creation: the newest first after `-priority`, the oldest first after `priority`.
    """

    CREATED = "createdAt"
    NEWEST = "-createdAt"
    DUE = "dueDate"
    LATEST_DUE = "-dueDate"
    PRIORITY = "priority"
    MOST_URGENT = "-priority"


BY_CREATION = frozenset({TaskSort.CREATED, TaskSort.NEWEST})


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


Search = Annotated[
    Text,
    Field(min_length=3, max_length=100, json_schema_extra={"pattern": searching.PATTERN}),
    BeforeValidator(_stripped),
    AfterValidator(searching.with_two_side_by_side),
]
"""What to look for: 3 to 100 characters, blanks around it aside, two of them letters or digits side by side. What is shorter or
has only signs would be looked for in every task.
"""


class ListTasks(PageQuery):
    """Which tasks to list, and how."""

    status: TaskStatus | None = None
    priority: TaskPriority | None = None
    project_id: UUID | None = Field(default=None, description="Only tasks of this project.")
    assignee_id: UUID | None = Field(default=None, description="Only tasks of this member.")
    due_before: Instant | None = Field(default=None, description="Only tasks due before this moment.")
    due_after: Instant | None = Field(default=None, description="Only tasks due after this moment.")
    q: Search | None = Field(
        default=None,
        description="Only tasks with this text, in whatever case, in their title or in the first 1,000 characters of their "
        "description. It needs two letters or digits side by side; `C++` and `---` cannot be looked for.",
    )
    sort: TaskSort = Field(
        default=TaskSort.NEWEST,
        description="Order of the list; `-` is descending, tasks without a due date come last. "
        "A cursor reads by createdAt or -createdAt only.",
    )

    @model_validator(mode="after")
    def _cursors_read_by_creation(self) -> "ListTasks":
        if self.cursor is not None and self.sort not in BY_CREATION:
            msg = "cursor reads by createdAt or -createdAt only"
            raise ValueError(msg)
        return self
