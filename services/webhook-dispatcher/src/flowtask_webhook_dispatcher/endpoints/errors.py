"""Refusals of endpoint commands."""

from flowtask_contracts.errors import Conflict, NotFound, ServiceUnavailable


class EndpointNotFound(NotFound):
    """No such endpoint in the caller's workspace."""

    message = "Webhook not found"


class TooManyEndpoints(Conflict):
    """The workspace has as many endpoints as it may."""

    message = "This workspace has the largest number of webhooks allowed; delete one first"


class WorkspaceIsErased(NotFound):
    """The workspace was erased after the request was let in."""

    message = "Workspace not found"


class SecretUnreadable(ServiceUnavailable):
    """No key of the ring opens the secret. That is ours to mend, or the owner takes another one."""

    message = "The secret of this webhook cannot be read now; one that is rotated with overlapSeconds 0 takes its place"


class NothingIsSent(Conflict):
    """There is nowhere to send anything."""

    message = "This webhook is polled, and nothing is sent to it"
