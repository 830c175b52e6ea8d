"""Trying a filter out against what has happened already."""

from uuid import UUID

from pydantic import Field

from flowtask_contracts.base import Contract, Instant
from flowtask_contracts.commands.webhooks import Pattern, WebhookCommand
from flowtask_contracts.webhook_content import FilterForm


class TriedEvent(Contract):
    """A recent event, and whether it would have been sent; what it says is not told."""

    id: UUID
    type: str = Field(examples=["task.updated"])
    resource_id: str = Field(examples=["019338f4-8c00-7000-8000-000000000002"])
    time: Instant | None = Field(description="When it happened.", examples=["2026-11-22T10:00:00.000Z"])
    matches: bool = Field(examples=[True])


class FilterTrial(Contract):
    """The workspace's latest events, newest first, each judged; `matched` counts those that would have been sent."""

    examined: int = Field(examples=[1])
    matched: int = Field(examples=[1])
    items: tuple[TriedEvent, ...]


class TryFilter(WebhookCommand):
    """Judge the workspace's latest events by a filter and event types, or by those of an endpoint where none are named."""

    verb = "try-filter"
    answer = FilterTrial

    endpoint_id: UUID | None = None
    filter: FilterForm | None = None
    events: tuple[Pattern, ...] | None = Field(default=None, min_length=1, max_length=50)
    limit: int = Field(default=100, ge=1, le=100)
