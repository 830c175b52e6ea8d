"""What a client of `/sync` sends and gets."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from flowtask_contracts.base import Contract, Instant
from flowtask_contracts.resources import PlainTask, Project

from ..http.schemas import Body


class SyncQuery(Body):
    """Since when, and how much at once."""

    token: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_\-]{1,128}$",
        description="`nextToken` of the answer before; without one everything there is comes.",
    )
    per_page: int = Field(default=100, ge=1, le=500, description="Most changes of one answer.")


class Kind(StrEnum):
    """What can change."""

    TASK = "task"
    PROJECT = "project"


class Deleted(Contract):
    """Something that is gone. The tasks of a deleted project are gone with it."""

    type: Kind
    id: UUID
    deleted_at: Instant


class Changes(Contract):
    """Changes in the order in which they were made; each shows its resource as it is now, and may come again."""

    full_sync: bool = Field(
        description="True on the first page of everything there is: forget what you keep, then apply this page."
    )
    tasks: tuple[PlainTask, ...]
    projects: tuple[Project, ...]
    deleted: tuple[Deleted, ...]
    next_token: str = Field(
        description="What to send next, now if `hasMore`, else whenever you like.",
        examples=["AuYg3fSO3n4qk0b1VbRr4nq2m8u0l1sW"],
    )
    has_more: bool
