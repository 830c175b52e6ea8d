"""Users, workspaces and memberships."""

from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts import resources
from flowtask_contracts.events import (
    MembershipCreated,
    MembershipUpdated,
    UserCreated,
    WorkspaceCreated,
    changes_between,
)
from flowtask_contracts.resources import Plan, Role
from flowtask_kit.ids import new_id

from ..database import Base


class User(Base):
    """A person, known by one address or by the id at Clerk; who comes from Clerk may have no address yet."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(unique=True)
    clerk_id: Mapped[str | None] = mapped_column(unique=True)
    name: Mapped[str]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

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
        )

    @property
    def actor(self) -> str:
        """The name under which events say who did it."""
        return f"user:{self.id}"

    def resource(self) -> resources.User:
        """The person as other services know them."""
        return resources.User(id=self.id, email=self.email, name=self.name, created_at=self.created_at)

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


class Workspace(Base):
    """A tenant; every user has a personal one, and an organization of Clerk is one.

    `plan` is what billing last said, for the limits of every request.
    """

    __tablename__ = "workspaces"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    personal: Mapped[bool]
    plan: Mapped[Plan] = mapped_column(
        Enum(Plan, name="plan", native_enum=False, create_constraint=True, length=20), server_default=Plan.FREE.value
    )
    clerk_organization_id: Mapped[str | None] = mapped_column(unique=True)
    version: Mapped[int]
    created_at: Mapped[datetime]

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
        return cls(id=new_id(), name=user.name, personal=True, plan=Plan.FREE, version=1, created_at=user.created_at)

    def resource(self) -> resources.Workspace:
        """The REST representation."""
        return resources.Workspace(id=self.id, name=self.name, personal=self.personal, created_at=self.created_at)

    def created(self, *, by: User) -> WorkspaceCreated:
        """The event of a new tenant."""
        return WorkspaceCreated(
            workspace_id=self.id,
            subject=self.id,
            time=self.created_at,
            actor=by.actor,
            version=self.version,
            data=self.resource(),
        )

    def joined(self, user: User, role: Role, *, at: datetime) -> "tuple[Membership, MembershipCreated]":
        """A person's new place here, and the event of it."""
        membership = Membership(workspace_id=self.id, user_id=user.id, role=role, version=1, created_at=at)
        event = MembershipCreated(
            workspace_id=self.id,
            subject=user.id,
            time=at,
            actor=user.actor,
            version=membership.version,
            data=membership.resource(),
        )
        return membership, event


class Membership(Base):
    """One person's place in one workspace. `clerk_role_at` is when Clerk issued the token that last told the role."""

    __tablename__ = "memberships"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey(Workspace.id), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), primary_key=True, index=True)
    role: Mapped[Role] = mapped_column(
        Enum(
            Role,
            name="role",
            native_enum=False,
            create_constraint=True,
            length=20,
            values_callable=lambda kind: [member.value for member in kind],
        )
    )
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    clerk_role_at: Mapped[datetime | None]

    def become(self, role: Role, *, actor: str, at: datetime) -> MembershipUpdated | None:
        """Take another role, and the event of it; nothing has happened when it is the same."""
        if role is self.role:
            return None
        before = self.resource().model_dump(mode="json", by_alias=True)
        self.role, self.version = role, self.version + 1
        after = self.resource()
        return MembershipUpdated(
            workspace_id=self.workspace_id,
            subject=self.user_id,
            time=at,
            actor=actor,
            version=self.version,
            data=after,
            changes=changes_between(before, after.model_dump(mode="json", by_alias=True)),
        )

    def resource(self) -> resources.Membership:
        """The place as other services know it."""
        return resources.Membership(workspace_id=self.workspace_id, user_id=self.user_id, role=self.role)
