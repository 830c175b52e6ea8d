"""What services tell each other and nobody else: people's addresses travel only here."""

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


class MembershipUpdated(Event):
    """A person's role in a workspace is another."""

    type = "membership.updated"
    public = False
    data: Membership
