"""Cursors of lists of deliveries: event and endpoint of the last one seen."""

from uuid import UUID

from flowtask_kit.cursors import cursor_id

Place = tuple[UUID, UUID]

_FIRST = UUID(int=0)


def cursor_of(event_id: UUID, endpoint_id: UUID) -> str:
    """The cursor behind which the list goes on."""
    return f"{event_id}.{endpoint_id}"


def place_of(cursor: str | None) -> Place | None:
    """The place that a cursor names; ValidationFailed for one that is not ours. One with an event alone is behind all of it."""
    if cursor is None:
        return None
    event, _, endpoint = cursor.partition(".")
    event_id, endpoint_id = cursor_id(event), cursor_id(endpoint or None)
    assert event_id is not None
    return event_id, endpoint_id or _FIRST
