"""What can be wrong with keys."""

from flowtask_contracts.errors import Conflict, Forbidden, NotFound


class KeyNotFound(NotFound):
    """The workspace has no such key, or it was revoked."""

    message = "API key not found"


class TooManyKeys(Conflict):
    """The workspace has as many live keys as it may have."""

    message = "A workspace has at most 20 live API keys; revoke one that is no longer used"


class KeyRotated(Conflict):
    """The key was rotated: its end is set, and another has taken its place."""

    message = "This API key was rotated; the key in rotatedTo has taken its place"


class KeyExpired(Conflict):
    """The key has expired, and stays so."""

    message = "This API key has expired; create another one"


class NotTheirKey(Forbidden):
    """The new key would act as somebody else than the caller."""

    message = "Only the person whose key this is may rotate it; owners and admins may revoke it"


class OperatorsKey(Forbidden):
    """Only an operator's key may keep an operator's key alive."""

    message = "Only an operator's key may do this to an operator's key"
