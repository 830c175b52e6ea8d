"""Who the caller is, and where."""

from uuid import UUID

from flowtask_kit.http.envelope import Envelope

from ..auth.dependencies import Authenticated
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Tx
from . import service
from .schemas import Me, Member, OwnWorkspace

router = api_router("Account", resource=Resource.ME)
workspaces = api_router("Account", "/workspaces", resource=Resource.WORKSPACES)
members = api_router("Account", resource=Resource.MEMBERS)


@router.get("/me", summary="Who am I")
async def get_me(tx: Tx, caller: Authenticated) -> Envelope[Me]:
    """The user and the workspace of the credential."""
    return Envelope(data=await service.me(tx, caller))


@workspaces.get("", summary="List workspaces")
async def list_workspaces(tx: Tx, caller: Authenticated) -> Envelope[tuple[OwnWorkspace, ...]]:
    """The workspaces that the credential opens; an API key belongs to one."""
    return Envelope(data=await service.workspaces(tx, caller))


@members.get("/workspaces/{workspace_id}/members", summary="List members")
async def list_members(tx: Tx, caller: Authenticated, workspace_id: UUID) -> Envelope[tuple[Member, ...]]:
    """Everyone of the workspace, in the order in which they joined."""
    return Envelope(data=await service.members(tx, caller, workspace_id))
