"""What services tell each other and nobody else: people's addresses travel only here."""

from flowtask_contracts.base import Contract
from flowtask_contracts.events.envelope import Event
from flowtask_contracts.resources import Membership, User, Workspace


class UserCreated(Event):
    """A person is known."""

    type = "user.created"
    public = False
    data: User


class WorkspaceCreated(Event):
    """A tenant exists."""

    type = "workspace.created"
    public = False
    data: Workspace


class MembershipCreated(Event):
    """A person joined a workspace."""

    type = "membership.created"
    public = False
    data: Membership


class Erased(Contract):
    """Erasure carries ids only, and the envelope has them."""


class WorkspaceErased(Event):
    """A tenant is to be forgotten by every service within 24 hours."""

    type = "workspace.erased"
    public = False
    data: Erased = Erased()
