"""Who the caller is, and the workspaces that they may enter."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response, status

from flowtask_contracts.errors import Forbidden
from flowtask_kit.http.envelope import Envelope

from ..auth.dependencies import Authenticated
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..erasure import service as erasure
from ..erasure.errors import OnlyOwner
from ..http.dependencies import Tx
from ..http.paging import NumberedQuery
from ..http.preconditions import IfMatch, etag
from ..http.refusals import may_raise
from ..idempotency.dependencies import once
from . import service
from .errors import PersonalWorkspace, WorkspaceNotFound
from .models import Membership
from .schemas import Confirmed, CreateWorkspace, Me, OwnWorkspace, UpdateMe, UpdateWorkspace

router = api_router("Account", resource=Resource.ME)
workspaces = api_router("Account", "/workspaces", resource=Resource.WORKSPACES)


@router.get("/me", summary="Who am I")
async def get_me(tx: Tx, caller: Authenticated, response: Response) -> Envelope[Me]:
    """The user and the workspace of the credential."""
    me, response.headers["ETag"] = await service.me(tx, caller)
    return Envelope(data=me)


@router.patch("/me", summary="Change my profile", dependencies=[once(about="id")])
@router.put("/me", summary="Update my profile", dependencies=[once(about="id")])
async def update_me(tx: Tx, caller: Authenticated, body: UpdateMe, seen: IfMatch, response: Response) -> Envelope[Me]:
    """Change the fields that are sent; the others stay."""
    me, response.headers["ETag"] = await service.update_me(tx, caller, body, seen)
    return Envelope(data=me)


@router.delete(
    "/me",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    summary="Erase my account",
    dependencies=[once()],
)
@may_raise(Forbidden, OnlyOwner)
async def erase_me(tx: Tx, caller: Authenticated, confirmed: Annotated[Confirmed, Query()], request: Request) -> None:
    """The account is gone at once, and so is every credential of it; what it held is erased within minutes.

    Workspaces in which the caller is alone go too. While they are the only owner of one that others are in, 409 names it.
    """
    await erasure.erase_person(tx, caller, confirmed.confirm)
    request.app.state.erasures.wake_after(tx)


@workspaces.get("", summary="List workspaces")
async def list_workspaces(
    tx: Tx, caller: Authenticated, asked: Annotated[NumberedQuery, Query()]
) -> Envelope[tuple[OwnWorkspace, ...]]:
    """The workspaces that the credential opens; an API key belongs to one."""
    page = await service.workspaces(tx, caller, asked)
    return Envelope(data=tuple(_own(place) for place in page.rows), meta=page.meta)


@workspaces.post("", status_code=status.HTTP_201_CREATED, summary="Create a workspace", dependencies=[once(about="id")])
@may_raise(Forbidden)
async def create_workspace(
    tx: Tx, caller: Authenticated, body: CreateWorkspace, response: Response
) -> Envelope[OwnWorkspace]:
    """A new shared workspace, owned by the caller. An API key cannot do this: it belongs to one workspace."""
    place = await service.create_workspace(tx, caller, body.name)
    response.headers["Location"] = f"/api/v1/workspaces/{place.workspace_id}"
    return _answer(place, response)


@workspaces.get("/{workspace_id}", summary="Get a workspace")
@may_raise(WorkspaceNotFound)
async def get_workspace(
    tx: Tx, caller: Authenticated, workspace_id: UUID, response: Response
) -> Envelope[OwnWorkspace]:
    """One workspace, and what the caller is in it."""
    return _answer(await service.place(tx, caller, workspace_id), response)


@workspaces.patch("/{workspace_id}", summary="Change a workspace", dependencies=[once(about="id")])
@workspaces.put("/{workspace_id}", summary="Update a workspace", dependencies=[once(about="id")])
@may_raise(WorkspaceNotFound, Forbidden)
async def update_workspace(
    tx: Tx, caller: Authenticated, workspace_id: UUID, body: UpdateWorkspace, seen: IfMatch, response: Response
) -> Envelope[OwnWorkspace]:
    """Rename a workspace; owners and admins only."""
    return _answer(await service.update_workspace(tx, caller, workspace_id, body, seen), response)


@workspaces.delete(
    "/{workspace_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    summary="Erase a workspace",
    dependencies=[once()],
)
@may_raise(WorkspaceNotFound, Forbidden, PersonalWorkspace)
async def erase_workspace(
    tx: Tx, caller: Authenticated, workspace_id: UUID, confirmed: Annotated[Confirmed, Query()], request: Request
) -> None:
    """The workspace is gone at once, with everything in it, its keys included; owners only, and never a personal one."""
    await erasure.erase_workspace(tx, caller, workspace_id, confirmed.confirm)
    request.app.state.erasures.wake_after(tx)


def _answer(place: Membership, response: Response) -> Envelope[OwnWorkspace]:
    response.headers["ETag"] = etag(place.workspace.version, place.version)
    return Envelope(data=_own(place))


def _own(place: Membership) -> OwnWorkspace:
    return OwnWorkspace(**dict(place.workspace.resource()), role=place.role)
