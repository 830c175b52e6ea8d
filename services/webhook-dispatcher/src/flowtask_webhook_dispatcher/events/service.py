"""What owners ask about events."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_deliveries import ListDeliveries
from flowtask_contracts.commands.webhook_events import (
    EventDetail,
    GetEvent,
    ListEvents,
    WorkspaceEvent,
    WorkspaceEvents,
)
from flowtask_contracts.webhook_content import LARGEST_BODY
from flowtask_kit.bus.replies import REPLY_BYTES, fitting
from flowtask_kit.cursors import cursor_id

from ..deliveries import queries as delivery_queries
from ..deliveries.errors import EventNotFound
from ..deliveries.service import with_standing
from ..dispatch.payload import PublicEvent
from ..endpoints import patterns
from . import queries

DELIVERIES_SHOWN = 100
_DELIVERIES_BYTES = REPLY_BYTES - LARGEST_BODY - 16 * 1024


async def page(tx: AsyncSession, command: ListEvents) -> WorkspaceEvents:
    """A page of events, newest first; the cursor is the last id seen."""
    before = cursor_id(command.cursor)
    kinds = None if command.type is None else await _kinds(tx, command.workspace_id, command.type)
    if kinds is not None and not kinds:
        return WorkspaceEvents(items=(), next_cursor=None)
    rows = (await tx.execute(queries.events(command, kinds, before))).all()
    items = tuple(
        WorkspaceEvent(
            id=row.event_id,
            type=row.type,
            resource_id=row.resource_id,
            time=_moment(row.event_id),
            erased_at=row.erased_at,
        )
        for row in rows[: command.limit]
    )
    return WorkspaceEvents(items=items, next_cursor=str(items[-1].id) if len(rows) > len(items) else None)


async def get(tx: AsyncSession, command: GetEvent) -> EventDetail:
    """One event with its content, while it is there, and the deliveries that a reply has room for; EventNotFound."""
    message = (await tx.scalars(queries.event(command.workspace_id, command.event_id))).one_or_none()
    if message is None:
        raise EventNotFound
    asked = ListDeliveries(workspace_id=command.workspace_id, event_id=command.event_id, limit=DELIVERIES_SHOWN)
    rows = (await tx.execute(delivery_queries.deliveries(asked, None))).all()
    views = (delivery.view(*standing) for delivery, standing in map(with_standing, rows[:DELIVERIES_SHOWN]))
    shown = fitting(views, _DELIVERIES_BYTES)
    return EventDetail(
        id=message.event_id,
        type=message.type,
        resource_id=message.resource_id,
        time=_moment(message.event_id),
        erased_at=message.erased_at,
        payload=None if message.erased_at is not None else PublicEvent.parse(message.payload).content(),
        deliveries=tuple(shown),
        more_deliveries=len(rows) > len(shown),
    )


async def _kinds(tx: AsyncSession, workspace_id: UUID, pattern: str) -> Sequence[str] | None:
    """The types that a pattern covers among those of the workspace, known to us or not; None where that is every one."""
    if pattern == "*":
        return None
    if not pattern.endswith(".*"):
        return [pattern]
    return [kind for kind in await tx.scalars(queries.types(workspace_id)) if patterns.matches([pattern], kind)]


def _moment(event_id: UUID) -> datetime:
    return datetime.fromtimestamp((event_id.int >> 80) / 1000, tz=UTC)
