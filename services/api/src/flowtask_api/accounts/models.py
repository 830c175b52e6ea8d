"""Users, workspaces and memberships."""

from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts import resources
from flowtask_contracts.events import MembershipCreated, UserCreated, WorkspaceCreated
from flowtask_contracts.resources import Plan, Role
from flowtask_kit.ids import new_id

from ..database import Base


class User(Base):
    """A person, known by one address."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @classmethod
    def new(cls, *, email: str, name: str, at: datetime) -> Self:
        """A person who was not known before; the address is kept in lower case."""
        return cls(id=new_id(), email=email.lower(), name=name, version=1, created_at=at, updated_at=at)

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
    """A tenant; every user has a personal one. `plan` is what billing last said, for the limits of every request."""

    __tablename__ = "workspaces"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    personal: Mapped[bool]
    plan: Mapped[Plan] = mapped_column(
        Enum(Plan, name="plan", native_enum=False, create_constraint=True, length=20), server_default=Plan.FREE.value
    )
    version: Mapped[int]
    created_at: Mapped[datetime]

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
    """One person's place in one workspace."""

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

    def resource(self) -> resources.Membership:
        """The place as other services know it."""
        return resources.Membership(workspace_id=self.workspace_id, user_id=self.user_id, role=self.role)
