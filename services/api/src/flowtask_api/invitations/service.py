"""Inviting, revoking and accepting. All of it happens under the workspace's lock."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import Unauthorized
from flowtask_contracts.resources import Role
from flowtask_kit.ids import utc_now

from ..accounts import queries as accounts
from ..accounts.models import Membership
from ..accounts.service import administered
from ..audit import service as audit
from ..auth.models import Caller
from ..database import Outbox
from ..http.paging import NumberedQuery, Page, numbered
from ..members.errors import OnlyOwners
from ..members.service import join
from . import queries
from .errors import AlreadyMember, InvitationNotFound, NotShared, TooManyInvitations
from .models import Invitation, digest_of
from .schemas import CreatedInvitation, CreateInvitation

MOST_OPEN = 50
_CHUNK = 1000


async def invite(
    tx: AsyncSession, caller: Caller, workspace_id: UUID, body: CreateInvitation, *, lasts: timedelta
) -> CreatedInvitation:
    """Invite an address, whoever has it or not; the token of an earlier invitation of it opens nothing any more."""
    inviter = await administered(tx, caller, workspace_id)
    if inviter.workspace.personal:
        raise NotShared
    if body.role is Role.OWNER and inviter.role is not Role.OWNER:
        raise OnlyOwners
    if await tx.scalar(queries.member_of_address(workspace_id, body.email)) is not None:
        raise AlreadyMember
    now = utc_now()
    await tx.execute(queries.replace(workspace_id, body.email, now))
    if (await tx.scalar(queries.number_open(workspace_id, now)) or 0) >= MOST_OPEN:
        raise TooManyInvitations
    invitation, token = Invitation.new(inviter, email=body.email, role=body.role, at=now, lasts=lasts)
    audit.record(tx, caller, "invitation.created", invitation.id, {"role": body.role.value}, workspace_id=workspace_id)
    tx.add_all((invitation, Outbox.of(invitation.created(inviter, token))))
    return invitation.shown_once(token)


async def list_invitations(
    tx: AsyncSession, caller: Caller, workspace_id: UUID, asked: NumberedQuery
) -> Page[Invitation]:
    """A workspace's open invitations, newest first."""
    await administered(tx, caller, workspace_id, reads=True)
    return await numbered(tx, queries.invitations(workspace_id, utc_now()), asked)


async def revoke(tx: AsyncSession, caller: Caller, workspace_id: UUID, invitation_id: UUID) -> None:
    """Take an invitation back."""
    await administered(tx, caller, workspace_id)
    invitation = await tx.scalar(queries.invitation(workspace_id, invitation_id, utc_now()))
    if invitation is None:
        raise InvitationNotFound
    audit.record(tx, caller, "invitation.revoked", invitation_id, workspace_id=workspace_id)
    await tx.delete(invitation)


async def accept(tx: AsyncSession, caller: Caller, token: str) -> Membership:
    """Give the caller the place that waits for their address; the token is used up with it.

    InvitationNotFound for every token that does not open one for this very caller, whatever the reason.
    """
    user = await tx.scalar(accounts.locked_user(caller.user_id))
    if user is None:
        raise Unauthorized
    digest, now = digest_of(token), utc_now()
    found = None if digest is None else await tx.scalar(queries.by_digest(digest, now))
    if found is None or found.email != user.email:
        raise InvitationNotFound
    workspace = await tx.scalar(accounts.locked_workspace(found.workspace_id))
    invitation = await tx.scalar(queries.by_digest(found.token_digest, now).with_for_update())
    if workspace is None or invitation is None:
        raise InvitationNotFound
    if await tx.scalar(accounts.membership(workspace.id, user.id)) is not None:
        raise AlreadyMember
    await join(tx, workspace, user.id, invitation.role, by=caller)
    await tx.delete(invitation)
    await tx.flush()
    shown = accounts.membership(workspace.id, user.id).execution_options(populate_existing=True)
    return (await tx.scalars(shown)).one()


async def forget(tx: AsyncSession) -> bool:
    """Remove invitations that are out of date, a thousand at a time; False when there are no more."""
    done: Any = await tx.execute(queries.forget(utc_now(), _CHUNK))
    return int(done.rowcount) == _CHUNK
