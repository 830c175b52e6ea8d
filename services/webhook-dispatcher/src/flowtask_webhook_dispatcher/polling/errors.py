"""Refusals of polls."""

from flowtask_contracts.errors import Conflict


class NotPolled(Conflict):
    """The endpoint is sent its events."""

    message = "This webhook is sent its events; only one that was created with delivery `poll` can be polled"
