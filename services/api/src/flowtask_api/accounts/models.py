"""Users, workspaces and memberships decide what may become of them and tell the events."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Sequence
from sqlalchemy.orm import Mapped, mapped_column, relationship

from flowtask_contracts import resources
from flowtask_contracts.events import (
    MembershipCreated,
    MembershipDeleted,
    MembershipUpdated,
    UserCreated,
    UserErased,
    UserUpdated,
    WorkspaceCreated,
    WorkspaceErased,
    WorkspaceUpdated,
    changes_between,
)
from flowtask_contracts.resources import Erased, Plan, Role
from flowtask_kit.database.base import choice
from flowtask_kit.ids import new_id

from ..database import Base
from ..http.preconditions import etag

TIME_ZONE = "UTC"
LOCALE = "en"
"""What people have who have chosen nothing."""

MEMBERSHIP_VERSIONS = Sequence("membership_versions", schema=Base.metadata.schema, metadata=Base.metadata)
"""Versions of places, drawn under the workspace's lock: they rise even when somebody leaves and comes back."""


class User(Base):
    """A person, known by one address or by the id at Clerk; who comes from Clerk may have no address yet.

    `time_zone` is an IANA name, `locale` a BCP 47 tag.
    """

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(unique=True)
    clerk_id: Mapped[str | None] = mapped_column(unique=True)
    name: Mapped[str]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    time_zone: Mapped[str] = mapped_column(server_default=TIME_ZONE)
    locale: Mapped[str] = mapped_column(server_default=LOCALE)

    @classmethod
    def new(cls, *, email: str | None, name: str, at: datetime, clerk_id: str | None = None) -> Self:
        """A person who was not known before; the address is kept in lower case."""
        return cls(
            id=new_id(),
            email=email.lower() if email is not None else None,
            clerk_id=clerk_id,
            name=name,
            version=1,
            created_at=at,
            updated_at=at,
            time_zone=TIME_ZONE,
            locale=LOCALE,
        )

    @property
    def actor(self) -> str:
        """The name under which events say who did it."""
        return f"user:{self.id}"

    def resource(self) -> resources.User:
        """The person as other services know them."""
        return resources.User(
            id=self.id,
            email=self.email,
            name=self.name,
            created_at=self.created_at,
            time_zone=self.time_zone,
            locale=self.locale,
        )

    def created_in(self, workspace: "Workspace") -> UserCreated:
        """The event of a new person, told in the tenant that is theirs alone."""
        return UserCreated(
            workspace_id=workspace.id,
            subject=self.id,
            time=self.created_at,
            actor=self.actor,
            version=self.version,
            data=self.resource(),
        )

    def change(self, fields: Mapping[str, Any], *, workspace_id: UUID, at: datetime) -> UserUpdated | None:
        """Set the given fields; None where nothing differs. The event is told in the tenant that is theirs alone."""
        before = self.resource().model_dump(mode="json", by_alias=True)
        for name, value in fields.items():
            setattr(self, name, value)
        changes = changes_between(before, self.resource().model_dump(mode="json", by_alias=True))
        if not changes:
            return None
        self.version += 1
        self.updated_at = at
        return UserUpdated(
            workspace_id=workspace_id,
            subject=self.id,
            time=at,
            actor=self.actor,
            version=self.version,
            data=self.resource(),
            changes=changes,
        )


def user_erased(user_id: UUID, *, workspace_id: UUID, version: int, at: datetime) -> UserErased:
    """The event of a person who is gone; `workspace_id` was theirs alone, `version` is above all they had."""
    return UserErased(
        workspace_id=workspace_id,
        subject=user_id,
        time=at,
        actor=f"user:{user_id}",
        version=version,
        data=Erased(id=user_id),
    )


class Workspace(Base):
    """A tenant; every user has a personal one, and an organization of Clerk is one.

    `plan` is what billing last said, for the limits of every request. With `erased_at` it is out of sight for good and waits
    for what it holds to be erased.
    """

    __tablename__ = "workspaces"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    personal: Mapped[bool]
    plan: Mapped[Plan] = mapped_column(choice(Plan, "plan"), server_default=Plan.FREE.value)
    clerk_organization_id: Mapped[str | None] = mapped_column(unique=True)
    version: Mapped[int]
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]

    @classmethod
    def new(cls, *, name: str, personal: bool, at: datetime) -> Self:
        """A tenant that was not there before; it begins on FREE."""
        return cls(id=new_id(), name=name, personal=personal, plan=Plan.FREE, version=1, created_at=at)

    @classmethod
    def shared(cls, *, name: str, at: datetime, clerk_organization_id: str | None = None) -> Self:
        """A workspace for several people."""
        return cls(
            id=new_id(),
            name=name,
            personal=False,
            plan=Plan.FREE,
            clerk_organization_id=clerk_organization_id,
            version=1,
            created_at=at,
        )

    @classmethod
    def personal_of(cls, user: User) -> Self:
        """The workspace that a person gets with the account."""
        return cls.new(name=user.name, personal=True, at=user.created_at)

    def resource(self) -> resources.Workspace:
        """The REST representation."""
        return resources.Workspace(id=self.id, name=self.name, personal=self.personal, created_at=self.created_at)

    def created(self, *, actor: str) -> WorkspaceCreated:
        """The event of a new tenant."""
        return WorkspaceCreated(
            workspace_id=self.id,
            subject=self.id,
            time=self.created_at,
            actor=actor,
            version=self.version,
            data=self.resource(),
        )

    def rename(self, name: str, *, actor: str, at: datetime) -> WorkspaceUpdated | None:
        """Give it another name; None when it has that name already."""
        before = self.resource().model_dump(mode="json", by_alias=True)
        self.name = name
        changes = changes_between(before, self.resource().model_dump(mode="json", by_alias=True))
        if not changes:
            return None
        self.version += 1
        return WorkspaceUpdated(
            workspace_id=self.id,
            subject=self.id,
            time=at,
            actor=actor,
            version=self.version,
            data=self.resource(),
            changes=changes,
        )

    def joined(
        self, user_id: UUID, role: Role, *, version: int, actor: str, at: datetime
    ) -> "tuple[Membership, MembershipCreated]":
        """A person's new place here, and the event of it. The version is 1 in a new workspace, else drawn."""
        membership = Membership(workspace_id=self.id, user_id=user_id, role=role, version=version, created_at=at)
        event = MembershipCreated(
            workspace_id=self.id,
            subject=user_id,
            time=at,
            actor=actor,
            version=version,
            data=membership.resource(),
        )
        return membership, event


def workspace_erased(workspace_id: UUID, *, actor: str, version: int, at: datetime) -> WorkspaceErased:
    """The event of a tenant that is gone; `version` is above all it had."""
    return WorkspaceErased(
        workspace_id=workspace_id,
        subject=workspace_id,
        time=at,
        actor=actor,
        version=version,
        data=Erased(id=workspace_id),
    )


class Membership(Base):
    """One person's place in one workspace. The keys that the person made there go with it.

    `clerk_role_at` is when Clerk issued the token that last told the role.
    """

    __tablename__ = "memberships"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey(Workspace.id), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), primary_key=True, index=True)
    role: Mapped[Role] = mapped_column(choice(Role, "role"))
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    clerk_role_at: Mapped[datetime | None]

    workspace: Mapped[Workspace] = relationship(lazy="raise", viewonly=True)
    user: Mapped[User] = relationship(lazy="raise", viewonly=True)

    @property
    def etag(self) -> str:
        """The tag of its representation as it is now; the person must have been loaded."""
        return etag(self.version, self.user.version)

    @property
    def administers(self) -> bool:
        """Whether this place lets one manage the workspace and its members."""
        return self.role in {Role.OWNER, Role.ADMIN}

    def resource(self) -> resources.Membership:
        """The place as other services know it."""
        return resources.Membership(workspace_id=self.workspace_id, user_id=self.user_id, role=self.role)

    def change(self, role: Role, *, version: int, actor: str, at: datetime) -> MembershipUpdated:
        """Give it another role under a version that was drawn for it."""
        before = self.resource().model_dump(mode="json", by_alias=True)
        self.role, self.version = role, version
        return MembershipUpdated(
            workspace_id=self.workspace_id,
            subject=self.user_id,
            time=at,
            actor=actor,
            version=version,
            data=self.resource(),
            changes=changes_between(before, self.resource().model_dump(mode="json", by_alias=True)),
        )

    def deleted(self, *, version: int, actor: str, at: datetime) -> MembershipDeleted:
        """The event of a place that is no more, under a version that was drawn for it."""
        return MembershipDeleted(
            workspace_id=self.workspace_id,
            subject=self.user_id,
            time=at,
            actor=actor,
            version=version,
            data=self.resource(),
        )
