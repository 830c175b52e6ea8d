"""Statements on events for their owners. None reads what an event says but the one for a single event."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, String, bindparam, column, func, literal, select, true

from flowtask_contracts.commands.webhook_events import ListEvents

from ..deliveries.identity import first_id_of
from ..deliveries.models import Message

_SHOWN = (Message.event_id, Message.type, Message.resource_id, Message.erased_at)

Listed = Select[UUID, str, str, Any]


def events(command: ListEvents, kinds: Sequence[str] | None, before: UUID | None) -> Listed:
    """The events that a command asks for, newest first, of these types alone where some are named.

    Of a resource its own index is walked, and of each type its part of the index of types. What is looked for is written as a
    span of one value that the order begins with: whatever PostgreSQL believes of how frequent it is, only that index has both.
    """
    statement: Listed = select(*_SHOWN).where(*_within(command, before))
    limit = command.limit + 1
    if command.resource_id is None and kinds is not None:
        return _of_each(statement, kinds, limit)
    if command.resource_id is not None:
        resource = literal(command.resource_id)
        statement = statement.where(Message.resource_id.between(resource, resource)).order_by(
            Message.resource_id.desc()
        )
    if kinds is not None:
        statement = statement.where(Message.type.in_(kinds))
    return statement.order_by(Message.event_id.desc()).limit(limit)


def _of_each(statement: Listed, kinds: Sequence[str], limit: int) -> Listed:
    """The latest of each type, and of these the latest: the index has the events of one type in order, not those of several."""
    given = bindparam("kinds", list(kinds), type_=ARRAY(String()))
    wanted = func.unnest(given).table_valued(column("kind", String()), name="wanted").render_derived()
    of_one = statement.where(Message.type.between(wanted.c.kind, wanted.c.kind))
    latest = of_one.order_by(Message.type.desc(), Message.event_id.desc()).limit(limit).lateral("latest")
    columns: Any = (latest.c.event_id, latest.c.type, latest.c.resource_id, latest.c.erased_at)
    return select(*columns).select_from(wanted).join(latest, true()).order_by(latest.c.event_id.desc()).limit(limit)


def _within(command: ListEvents, before: UUID | None) -> list[Any]:
    bounds: list[Any] = [Message.workspace_id == command.workspace_id]
    if before is not None:
        bounds.append(Message.event_id < before)
    if command.since is not None:
        bounds.append(Message.event_id >= first_id_of(command.since))
    if command.until is not None:
        bounds.append(Message.event_id < first_id_of(command.until))
    return bounds


def types(workspace_id: UUID) -> Select[str]:
    """The types that a workspace has events of, from one to the next in the index of types."""
    here = Message.workspace_id == workspace_id
    first = select(func.min(Message.type).label("type")).where(here)
    found = first.cte("found", recursive=True)
    after = select(func.min(Message.type)).where(here, Message.type > found.c.type).scalar_subquery()
    found = found.union_all(select(after).where(found.c.type.is_not(None)))
    return select(found.c.type).where(found.c.type.is_not(None))


def event(workspace_id: UUID, event_id: UUID) -> Select[Message]:
    """One event of a workspace."""
    return select(Message).where(Message.event_id == event_id, Message.workspace_id == workspace_id)
