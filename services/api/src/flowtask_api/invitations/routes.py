"""Invitations over HTTP: for those who invite, and for the invited."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response, status

from flowtask_contracts.errors import Forbidden
from flowtask_kit.http.envelope import Envelope

from ..accounts.errors import WorkspaceNotFound
from ..accounts.schemas import OwnWorkspace
from ..auth.dependencies import Authenticated
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Tx
from ..http.paging import NumberedQuery
from ..http.refusals import may_raise
from ..idempotency.dependencies import once
from ..members.errors import OnlyOwners
from . import service
from .errors import AlreadyMember, InvitationNotFound, NotShared, TooManyInvitations
from .schemas import AcceptInvitation, CreatedInvitation, CreateInvitation, Invitation

router = api_router("Invitations", resource=Resource.MEMBERS)


@router.get("/workspaces/{workspace_id}/invitations", summary="List invitations")
@may_raise(WorkspaceNotFound, Forbidden)
async def list_invitations(
    tx: Tx, caller: Authenticated, workspace_id: UUID, asked: Annotated[NumberedQuery, Query()]
) -> Envelope[tuple[Invitation, ...]]:
    """The workspace's open invitations, newest first; owners and admins only."""
    page = await service.list_invitations(tx, caller, workspace_id, asked)
    return Envelope(data=tuple(invitation.shown() for invitation in page.rows), meta=page.meta)


@router.post(
    "/workspaces/{workspace_id}/invitations",
    status_code=status.HTTP_201_CREATED,
    summary="Invite somebody",
    dependencies=[once(conceal="token", about="email")],
)
@may_raise(WorkspaceNotFound, Forbidden, OnlyOwners, NotShared, AlreadyMember, TooManyInvitations)
async def invite(
    tx: Tx, caller: Authenticated, workspace_id: UUID, body: CreateInvitation, request: Request, response: Response
) -> Envelope[CreatedInvitation]:
    """A place for whoever has that address; owners and admins only. The token is in this answer and in no other.

    The answer is the same whether or not anybody has an account with the address. An earlier invitation of it is replaced.
    """
    lasts: timedelta = request.app.state.invitations_last
    created = await service.invite(tx, caller, workspace_id, body, lasts=lasts)
    response.headers["Cache-Control"] = "no-store"
    return Envelope(data=created)


@router.delete(
    "/workspaces/{workspace_id}/invitations/{invitation_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    summary="Revoke an invitation",
    dependencies=[once()],
)
@may_raise(WorkspaceNotFound, InvitationNotFound, Forbidden)
async def revoke(tx: Tx, caller: Authenticated, workspace_id: UUID, invitation_id: UUID) -> None:
    """The token opens nothing any more; owners and admins only."""
    await service.revoke(tx, caller, workspace_id, invitation_id)


@router.post(
    "/invitations/accept",
    status_code=status.HTTP_201_CREATED,
    summary="Accept an invitation",
    dependencies=[once(about="id")],
)
@may_raise(InvitationNotFound, AlreadyMember)
async def accept(tx: Tx, caller: Authenticated, body: AcceptInvitation) -> Envelope[OwnWorkspace]:
    """Come into the workspace. The caller's own address must be the invited one; a token opens once, within its days."""
    place = await service.accept(tx, caller, body.token)
    return Envelope(data=OwnWorkspace(**dict(place.workspace.resource()), role=place.role))
