"""Questions about subscriptions, and the statements that begin and erase them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Delete, Select, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from .models import ErasedWorkspace, Subscription


def subscription(workspace_id: UUID) -> Select[Subscription]:
    """The subscription of a workspace."""
    return select(Subscription).where(Subscription.workspace_id == workspace_id)


def alone_with(workspace_id: UUID) -> Select[Any]:
    """Wait until nobody else begins or erases this workspace; holds until the transaction ends."""
    number = int.from_bytes(workspace_id.bytes[8:], signed=True)
    return select(func.pg_advisory_xact_lock(bindparam("workspace", number, type_=BigInteger())))


def is_erased(workspace_id: UUID) -> Select[UUID]:
    """The workspace's id, if it is erased."""
    return select(ErasedWorkspace.workspace_id).where(ErasedWorkspace.workspace_id == workspace_id)


def note_erased(workspace_id: UUID, at: datetime) -> Insert:
    """Remember that a workspace is gone."""
    return insert(ErasedWorkspace).values(workspace_id=workspace_id, erased_at=at).on_conflict_do_nothing()


def remove(workspace_id: UUID) -> Delete:
    """Remove the subscription of a workspace."""
    return delete(Subscription).where(Subscription.workspace_id == workspace_id)
