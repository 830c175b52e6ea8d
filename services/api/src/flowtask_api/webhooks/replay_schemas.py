"""Replays as callers ask for them."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from flowtask_contracts.commands.webhook_replays import MISSED, Replayed

from ..http.paging import CursorQuery
from ..http.schemas import Body, Moment
from .schemas import Patterns

_SINCE = "Events at or after this moment; what is older than 30 days is not kept."
_UNTIL = "Events before this moment; now if it is left out."


class DryRun(Body):
    """Whether anything is sent."""

    dry_run: bool = Field(default=False, description="Only count: nothing is sent or kept.")


class ReplayWebhook(Body):
    """What to send again."""

    since: Moment = Field(description=_SINCE, examples=["2026-11-22T10:00:00.000Z"])
    until: Moment | None = Field(default=None, description=_UNTIL, examples=["2026-11-22T12:00:00.000Z"])
    statuses: Annotated[tuple[Replayed, ...], Field(min_length=1, max_length=6)] = Field(
        default=MISSED,
        description="Deliveries in these states; `missing` are events that never became a delivery of this webhook although "
        "they match its types and filter.",
        examples=[["failed", "missing"]],
    )
    events: Patterns = Field(default=("*",), description="Only events of these types.", examples=[["task.*"]])


class RecoverWebhook(Body):
    """Which span to recover."""

    since: Moment | None = Field(
        default=None,
        description="Events at or after this moment; if it is left out, since the webhook was turned off or began to fail.",
        examples=["2026-11-22T10:00:00.000Z"],
    )
    until: Moment | None = Field(default=None, description=_UNTIL, examples=["2026-11-22T12:00:00.000Z"])


class ListReplaysQuery(CursorQuery):
    """Which replays to list."""

    webhook_id: UUID | None = Field(default=None, description="Only replays of this webhook.")
