"""Questions about subscriptions."""

from uuid import UUID

from sqlalchemy import Select, select

from .models import Subscription


def subscription(workspace_id: UUID) -> Select[Subscription]:
    """The subscription of a workspace."""
    return select(Subscription).where(Subscription.workspace_id == workspace_id)
