"""What can be wrong with accounts."""

from flowtask_contracts.errors import NotFound


class WorkspaceNotFound(NotFound):
    """The caller's credential does not belong to that workspace."""

    message = "Workspace not found"


class UserNotFound(NotFound):
    """Nobody is known by that address."""

    message = "User not found"


class NotAMember(NotFound):
    """The user has no place in that workspace."""

    message = "The user is not a member of that workspace"
