"""Events as callers ask for them."""

from typing import Annotated

from fastapi import Path
from pydantic import Field

from flowtask_contracts.base import Instant

from ..http.paging import CursorQuery

_TYPE = r"^([A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*(\.\*)?|\*)$"

TypeName = Annotated[str, Path(description="The type.", examples=["task.completed"])]


class ListEventsQuery(CursorQuery):
    """Which events to list."""

    resource_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.\-]{1,100}$",
        description="The task, project or other resource that they are of.",
    )
    type: str | None = Field(
        default=None,
        pattern=_TYPE,
        max_length=100,
        description="An event type, or `<group>.*` for all that begin so.",
        examples=["task.*"],
    )
    since: Instant | None = Field(default=None, description="Only events at or after this moment.")
    until: Instant | None = Field(default=None, description="Only events before this moment.")
