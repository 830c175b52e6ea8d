"""Refusals of polls."""

from flowtask_contracts.errors import Conflict


class NotPolled(Conflict):
    """The endpoint is sent its events."""

    message = "This webhook is sent its events; only one that was created with delivery `poll` can be polled"


class NothingIsSent(Conflict):
    """There is nowhere to send anything."""

    message = "This webhook is polled, and nothing is sent to it"
