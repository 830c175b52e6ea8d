"""Commands of the api: what services ask that keep a projection of people and tenants."""

from typing import ClassVar

from pydantic import Field

from flowtask_contracts.base import Contract, Text
from flowtask_contracts.commands.envelope import Command
from flowtask_contracts.resources import Membership, User, Workspace


class KnownUser(User):
    """A person as they are now; `version` is that of the latest event about them."""

    version: int


class KnownWorkspace(Workspace):
    """A tenant as it is now, with its version."""

    version: int


class KnownMembership(Membership):
    """A person's place in a workspace as it is now, with its version."""

    version: int


class SnapshotPage(Contract):
    """Part of a snapshot; there is more while `next_cursor` is set."""

    users: tuple[KnownUser, ...] = ()
    workspaces: tuple[KnownWorkspace, ...] = ()
    memberships: tuple[KnownMembership, ...] = ()
    next_cursor: str | None


class Snapshot(Command):
    """Everyone and every tenant there is, page by page, to fill a projection that is new or lost.

    What changes while the pages are read comes as events too; whoever keeps the newest version ends with the truth.
    """

    service: ClassVar[str] = "api"
    verb = "snapshot"
    answer = SnapshotPage

    cursor: Text | None = None
    limit: int = Field(default=500, ge=1, le=1000)
