"""Questions about invitations. One that is out of date is open to nobody, whether it was forgotten yet or not."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Delete, Select, delete, func, or_, select

from ..accounts.models import Membership, User
from .models import Invitation


def invitations(workspace_id: UUID, now: datetime) -> Select[Invitation]:
    """A workspace's open invitations, newest first."""
    return (
        select(Invitation)
        .where(Invitation.workspace_id == workspace_id, Invitation.expires_at > now)
        .order_by(Invitation.created_at.desc(), Invitation.id.desc())
    )


def invitation(workspace_id: UUID, invitation_id: UUID, now: datetime) -> Select[Invitation]:
    """One open invitation of a workspace."""
    return invitations(workspace_id, now).where(Invitation.id == invitation_id)


def by_digest(digest: bytes, now: datetime) -> Select[Invitation]:
    """The open invitation of a token."""
    return select(Invitation).where(Invitation.token_digest == digest, Invitation.expires_at > now)


def number_open(workspace_id: UUID, now: datetime) -> Select[int]:
    """How many open invitations a workspace has."""
    return (
        select(func.count())
        .select_from(Invitation)
        .where(Invitation.workspace_id == workspace_id, Invitation.expires_at > now)
    )


def member_of_address(workspace_id: UUID, email: str) -> Select[UUID]:
    """The member of a workspace who has that address."""
    return (
        select(Membership.user_id)
        .join(Membership.user)
        .where(Membership.workspace_id == workspace_id, User.email == email)
    )


def replace(workspace_id: UUID, email: str, now: datetime) -> Delete:
    """Remove what a new invitation stands in the place of, and what is out of date."""
    return delete(Invitation).where(
        Invitation.workspace_id == workspace_id, or_(Invitation.email == email, Invitation.expires_at <= now)
    )


def of_address(email: str) -> Delete:
    """Remove every invitation of an address."""
    return delete(Invitation).where(Invitation.email == email)


def forget(now: datetime, limit: int) -> Delete:
    """Remove invitations that are out of date."""
    old = select(Invitation.id).where(Invitation.expires_at <= now).limit(limit)
    return delete(Invitation).where(Invitation.id.in_(old))
