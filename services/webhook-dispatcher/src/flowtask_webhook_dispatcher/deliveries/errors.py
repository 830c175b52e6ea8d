"""Refusals of delivery commands."""

from flowtask_contracts.errors import Conflict, NotFound


class DeliveryNotFound(NotFound):
    """No such delivery in the caller's workspace."""

    message = "Delivery not found"


class EndpointIsGone(Conflict):
    """There is nowhere to send it."""

    message = "The webhook of this delivery was deleted"


class EventNotFound(NotFound):
    """No such event in the caller's workspace."""

    message = "Event not found"


class EventIsErased(Conflict):
    """There is nothing left to send."""

    message = "The content of this event was erased"
