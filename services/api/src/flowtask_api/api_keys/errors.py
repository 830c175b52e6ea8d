"""What can be wrong with keys."""

from flowtask_contracts.errors import NotFound


class KeyNotFound(NotFound):
    """The workspace has no such key, or it was revoked."""

    message = "API key not found"
