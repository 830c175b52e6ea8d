"""What can be wrong with invitations."""

from flowtask_contracts.errors import Conflict, NotFound


class InvitationNotFound(NotFound):
    """There is no such invitation, or it is used, revoked, out of date or for another address: nobody is told which."""

    message = "Invitation not found"


class AlreadyMember(Conflict):
    """The person has a place in the workspace."""

    message = "This person is a member of the workspace already"


class TooManyInvitations(Conflict):
    """The workspace has as many open invitations as it may."""

    message = "This workspace has the largest number of open invitations allowed; revoke one first"


class NotShared(Conflict):
    """A personal workspace has one member for good."""

    message = "A personal workspace cannot be shared; create a shared workspace first"
