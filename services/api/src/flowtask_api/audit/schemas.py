"""The audit log as callers ask for it and see it."""

from typing import Literal
from uuid import UUID

from pydantic import Field, JsonValue

from flowtask_contracts.base import Contract, Instant

from ..http.paging import CursorQuery


class ListEntriesQuery(CursorQuery):
    """Which entries to list."""

    action: str | None = Field(
        default=None,
        pattern=r"^[a-z_]{1,50}\.([a-z_]{1,50}|\*)$",
        description="An action, or all of one kind.",
        examples=["api_key.created", "webhook.*"],
    )
    actor_id: UUID | None = Field(default=None, description="Only what this person did.")
    target_id: UUID | None = Field(default=None, description="Only what was done to this.")
    since: Instant | None = Field(default=None, description="Only what happened at or after this moment.")
    until: Instant | None = Field(default=None, description="Only what happened before this moment.")


class AuditEntry(Contract):
    """One change."""

    id: UUID
    action: str = Field(examples=["api_key.created"])
    actor_id: UUID | None = Field(description="Who did it; null where an operator or FlowTask itself did.")
    key_id: UUID | None = Field(description="The API key that it was done with, if one was.")
    target_type: str = Field(description="What it was done to: the first part of the action.", examples=["api_key"])
    target_id: UUID | None = Field(description="Null while it is not known whether a requested one was ever made.")
    details: dict[str, JsonValue] = Field(
        description="More about it. In `changes` null stands for a value that is not written down."
    )
    outcome: Literal["requested", "done"] = Field(
        description="`requested`: asked of the service that owns it, and not known to have been done."
    )
    created_at: Instant
