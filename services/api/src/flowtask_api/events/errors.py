"""Refusals about events."""

from flowtask_contracts.errors import NotFound


class EventTypeNotFound(NotFound):
    """There is no such type of event."""

    message = "Event type not found"
