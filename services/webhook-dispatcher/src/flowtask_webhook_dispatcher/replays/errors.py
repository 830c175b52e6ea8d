"""Refusals of commands on replays."""

from flowtask_contracts.errors import Conflict, NotFound


class ReplayNotFound(NotFound):
    """No such replay in the caller's workspace."""

    message = "Replay not found"


class ReplayUnderWay(Conflict):
    """The endpoint has one already: two at once would only be in each other's way."""

    message = "A replay of this webhook is under way; wait for it, or cancel it first"


class ReplayHasEnded(Conflict):
    """There is nothing left to cancel."""

    message = "This replay has ended already"


class WebhookIsOff(Conflict):
    """Nothing is sent to it."""

    message = "This webhook is off; set `active` to true first, then replay what it missed"
