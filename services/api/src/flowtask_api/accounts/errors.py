"""What can be wrong with accounts."""

from flowtask_contracts.errors import Conflict, NotFound


class WorkspaceNotFound(NotFound):
    """The caller's credential does not belong to that workspace."""

    message = "Workspace not found"


class UserNotFound(NotFound):
    """Nobody is known by that address."""

    message = "User not found"


class NotAMember(NotFound):
    """The user has no place in that workspace."""

    message = "The user is not a member of that workspace"


class PersonalWorkspace(Conflict):
    """A personal workspace belongs to one person and goes with that person."""

    message = "A personal workspace belongs to one person alone and is erased with their account"
