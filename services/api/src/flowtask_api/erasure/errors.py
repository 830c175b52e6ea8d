"""What can keep somebody from being erased."""

from flowtask_contracts.errors import Conflict


class OnlyOwner(Conflict):
    """Workspaces with other members would be left without an owner; the details name them."""

    message = "You are the only owner of workspaces that others are in: make another owner there, or erase them, first"
