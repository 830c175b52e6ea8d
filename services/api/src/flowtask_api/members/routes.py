"""The members of a workspace over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response, status

from flowtask_contracts.errors import Forbidden
from flowtask_kit.http.envelope import Envelope

from ..accounts.errors import WorkspaceNotFound
from ..accounts.models import Membership
from ..auth.dependencies import Authenticated
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Tx
from ..http.preconditions import IfMatch
from ..http.refusals import may_raise
from ..idempotency.dependencies import once
from . import service
from .errors import LastOwner, MemberNotFound, OnlyOwners
from .schemas import ListMembers, Member, UpdateMember

router = api_router("Members", "/workspaces/{workspace_id}/members", resource=Resource.MEMBERS)


@router.get("", summary="List members")
@may_raise(WorkspaceNotFound)
async def list_members(
    tx: Tx, caller: Authenticated, workspace_id: UUID, asked: Annotated[ListMembers, Query()]
) -> Envelope[tuple[Member, ...]]:
    """Everyone of the workspace, in the order in which they joined, by page (with a total) or by cursor."""
    page = await service.list_members(tx, caller, workspace_id, asked)
    return Envelope(data=tuple(_shown(member) for member in page.rows), meta=page.meta)


@router.get("/{user_id}", summary="Get a member")
@may_raise(WorkspaceNotFound, MemberNotFound)
async def get_member(
    tx: Tx, caller: Authenticated, workspace_id: UUID, user_id: UUID, response: Response
) -> Envelope[Member]:
    """One member of the workspace."""
    return _answer(await service.get_member(tx, caller, workspace_id, user_id), response)


@router.patch("/{user_id}", summary="Change a member", dependencies=[once(about="userId")])
@router.put("/{user_id}", summary="Update a member", dependencies=[once(about="userId")])
@may_raise(WorkspaceNotFound, MemberNotFound, Forbidden, OnlyOwners, LastOwner)
async def update_member(
    tx: Tx,
    caller: Authenticated,
    workspace_id: UUID,
    user_id: UUID,
    body: UpdateMember,
    seen: IfMatch,
    response: Response,
) -> Envelope[Member]:
    """Give a member another role; owners and admins only, and only owners make or unmake owners."""
    return _answer(await service.update_member(tx, caller, workspace_id, user_id, body, seen), response)


@router.delete(
    "/{user_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    summary="Remove a member, or leave",
    dependencies=[once()],
)
@may_raise(WorkspaceNotFound, MemberNotFound, Forbidden, OnlyOwners, LastOwner)
async def remove_member(
    tx: Tx, caller: Authenticated, workspace_id: UUID, user_id: UUID, seen: IfMatch, request: Request
) -> None:
    """The member is out, and their keys of this workspace open nothing any more; their open tasks are taken off them.

    Everybody may leave; removing others needs an owner or admin.
    """
    await service.remove_member(tx, caller, workspace_id, user_id, seen)
    request.app.state.erasures.wake_after(tx)


def _answer(member: Membership, response: Response) -> Envelope[Member]:
    response.headers["ETag"] = member.etag
    return Envelope(data=_shown(member))


def _shown(member: Membership) -> Member:
    return Member(
        user_id=member.user_id,
        name=member.user.name,
        email=member.user.email,
        role=member.role,
        joined_at=member.created_at,
    )
