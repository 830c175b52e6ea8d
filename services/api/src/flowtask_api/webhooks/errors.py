"""Refusals of the service that owns webhooks, as the description tells them; the words are the owner's."""

from flowtask_contracts.errors import Conflict, NotFound


class WebhookNotFound(NotFound):
    """No such webhook in the caller's workspace."""

    message = "Webhook not found"


class WebhookIsOff(Conflict):
    """Nothing is sent to it."""

    message = "This webhook is off; set `active` to true first, then replay what it missed"


class ReplayUnderWay(Conflict):
    """The webhook has one already."""

    message = "A replay of this webhook is under way; wait for it, or cancel it first"


class ReplayHasEnded(Conflict):
    """There is nothing left to cancel."""

    message = "This replay has ended already"
