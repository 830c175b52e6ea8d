"""The API keys of a workspace; owners and admins only."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from flowtask_kit.http.envelope import Envelope

from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..http.dependencies import Tx
from ..http.paging import NumberedQuery
from ..idempotency.dependencies import once
from . import service
from .schemas import CreatedKey, CreateKey, Key

router = api_router("API keys", "/api-keys")


@router.get("", summary="List API keys")
async def list_keys(tx: Tx, caller: Admin, asked: Annotated[NumberedQuery, Query()]) -> Envelope[tuple[Key, ...]]:
    """The workspace's keys, newest first, masked."""
    page = await service.list_keys(tx, caller, asked)
    return Envelope(data=tuple(key.masked() for key in page.rows), meta=page.meta)


@router.post("", status_code=status.HTTP_201_CREATED, summary="Create an API key", dependencies=[once(conceal="key")])
async def create_key(tx: Tx, caller: Admin, body: CreateKey, response: Response) -> Envelope[CreatedKey]:
    """A new key that acts as its creator in this workspace. The whole key is in this answer and in no other."""
    created = await service.create_key(tx, workspace_id=caller.workspace_id, user_id=caller.user_id, name=body.name)
    response.headers["Cache-Control"] = "no-store"
    return Envelope(data=created)


@router.delete(
    "/{key_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    summary="Revoke an API key",
    dependencies=[once()],
)
async def revoke_key(tx: Tx, caller: Admin, key_id: UUID) -> None:
    """The key opens nothing from now on."""
    await service.revoke_key(tx, caller, key_id)
