"""What a workspace pays for."""

from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts import resources
from flowtask_contracts.resources import Plan, SubscriptionStatus
from flowtask_kit.database.base import choice

from ..database import Base


class Subscription(Base):
    """The plan of one workspace; one that pays nothing is on FREE."""

    __tablename__ = "subscriptions"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    plan: Mapped[Plan] = mapped_column(
        choice(Plan, "plan"),
    )
    status: Mapped[SubscriptionStatus] = mapped_column(choice(SubscriptionStatus, "status", length=30))
    current_period_end: Mapped[datetime | None]
    cancel_at_period_end: Mapped[bool]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @classmethod
    def free(cls, workspace_id: UUID, *, at: datetime) -> Self:
        """What every workspace begins with."""
        return cls(
            workspace_id=workspace_id,
            plan=Plan.FREE,
            status=SubscriptionStatus.ACTIVE,
            current_period_end=None,
            cancel_at_period_end=False,
            version=1,
            created_at=at,
            updated_at=at,
        )

    def resource(self) -> resources.Subscription:
        """The REST representation."""
        return resources.Subscription(
            workspace_id=self.workspace_id,
            plan=self.plan,
            status=self.status,
            current_period_end=self.current_period_end,
            cancel_at_period_end=self.cancel_at_period_end,
        )


class ErasedWorkspace(Base):
    """A workspace that is gone for good: whatever is heard of it later changes nothing."""

    __tablename__ = "erased_workspaces"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    erased_at: Mapped[datetime]
