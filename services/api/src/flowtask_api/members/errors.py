"""What can be wrong with members."""

from flowtask_contracts.errors import Conflict, Forbidden, NotFound


class MemberNotFound(NotFound):
    """The workspace has no such member."""

    message = "Member not found"


class OnlyOwners(Forbidden):
    """Owners are above admins: only they make, unmake or remove one."""

    message = "Only owners of the workspace may make, change or remove an owner"


class LastOwner(Conflict):
    """A workspace without an owner could not be managed by anybody."""

    message = "The last owner of a workspace cannot leave or become anything else; make another owner first"
