"""What services tell each other and nobody else: people's addresses travel only here."""

from flowtask_contracts.events.envelope import Event
from flowtask_contracts.resources import Erased, Invitation, Membership, User, Workspace


class UserCreated(Event):
    """A person is known."""

    type = "user.created"
    public = False
    data: User


class UserUpdated(Event):
    """A person goes by another name, or chose another time zone or locale; `changes` says what."""

    type = "user.updated"
    public = False
    tells_changes = True
    data: User


class UserErased(Event):
    """A person's account is gone: every service erases what it holds of them. Told after everything else of them."""

    type = "user.erased"
    public = False
    data: Erased


class WorkspaceCreated(Event):
    """A tenant exists."""

    type = "workspace.created"
    public = False
    data: Workspace


class WorkspaceUpdated(Event):
    """A tenant has another name; `changes` says what."""

    type = "workspace.updated"
    public = False
    tells_changes = True
    data: Workspace


class WorkspaceErased(Event):
    """A tenant is gone: every service erases what it holds of it. Told after everything else of it."""

    type = "workspace.erased"
    public = False
    data: Erased


class MembershipCreated(Event):
    """A person joined a workspace."""

    type = "membership.created"
    public = False
    data: Membership


class MembershipUpdated(Event):
    """A person has another role in a workspace; `changes` says what."""

    type = "membership.updated"
    public = False
    tells_changes = True
    data: Membership


class MembershipDeleted(Event):
    """A person left a workspace or was removed; `data` is the place they had."""

    type = "membership.deleted"
    public = False
    data: Membership


class InvitationCreated(Event):
    """Somebody is invited to a workspace; a later invitation of the same address replaces this one."""

    type = "invitation.created"
    public = False
    data: Invitation
