"""The API keys of a workspace; owners and admins only."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from flowtask_kit.http.envelope import Envelope

from ..auth.dependencies import Admin
from ..auth.errors import MoreThanHeld
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Tx
from ..http.paging import NumberedQuery
from ..http.preconditions import NEW, IfMatch, etag
from ..http.refusals import may_raise
from ..idempotency.dependencies import once
from . import service
from .errors import KeyExpired, KeyNotFound, KeyRotated, NotTheirKey, OperatorsKey, TooManyKeys
from .schemas import CreatedKey, CreateKey, Key, RotateKey, UpdateKey

router = api_router("API keys", "/api-keys", resource=Resource.API_KEYS)


@router.get("", summary="List API keys")
async def list_keys(tx: Tx, caller: Admin, asked: Annotated[NumberedQuery, Query()]) -> Envelope[tuple[Key, ...]]:
    """The workspace's keys, newest first, masked; expired ones too, until they are revoked."""
    page = await service.list_keys(tx, caller, asked)
    return Envelope(data=tuple(key.masked() for key in page.rows), meta=page.meta)


@router.post("", status_code=status.HTTP_201_CREATED, summary="Create an API key", dependencies=[once(conceal="key")])
@may_raise(TooManyKeys, MoreThanHeld)
async def create_key(tx: Tx, caller: Admin, body: CreateKey, response: Response) -> Envelope[CreatedKey]:
    """A new key that acts as its creator in this workspace. The whole key is in this answer and in no other."""
    created = await service.create_own_key(tx, caller, body)
    _announce(created, response)
    return Envelope(data=created)


@router.get("/{key_id}", summary="Get an API key")
@may_raise(KeyNotFound)
async def get_key(tx: Tx, caller: Admin, key_id: UUID, response: Response) -> Envelope[Key]:
    """One key, masked."""
    key = await service.get_key(tx, caller, key_id)
    response.headers["ETag"] = key.etag
    return Envelope(data=key.masked())


@router.patch("/{key_id}", summary="Change an API key", dependencies=[once(about="userId")])
@router.put("/{key_id}", summary="Update an API key", dependencies=[once(about="userId")])
@may_raise(KeyNotFound, KeyExpired, KeyRotated, MoreThanHeld, OperatorsKey)
async def update_key(
    tx: Tx, caller: Admin, key_id: UUID, body: UpdateKey, seen: IfMatch, response: Response
) -> Envelope[Key]:
    """Change the fields that are sent; the others stay. Scopes and expiry take holding all the scopes of the key."""
    key = await service.update_key(tx, caller, key_id, body, seen)
    response.headers["ETag"] = key.etag
    return Envelope(data=key.masked())


@router.post(
    "/{key_id}/rotate",
    status_code=status.HTTP_201_CREATED,
    summary="Rotate an API key",
    dependencies=[once(conceal="key")],
)
@may_raise(KeyNotFound, KeyExpired, KeyRotated, MoreThanHeld, NotTheirKey, OperatorsKey)
async def rotate_key(
    tx: Tx, caller: Admin, key_id: UUID, response: Response, body: RotateKey | None = None
) -> Envelope[CreatedKey]:
    """A new key in the place of one of your own, shown in this answer alone; the old one goes on for the overlap.

    The key that the old one itself had taken the place of ends at once.
    """
    created = await service.rotate_key(tx, caller, key_id, body or RotateKey())
    _announce(created, response)
    return Envelope(data=created)


@router.delete(
    "/{key_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    summary="Revoke an API key",
    dependencies=[once()],
)
@may_raise(KeyNotFound)
async def revoke_key(tx: Tx, caller: Admin, key_id: UUID, seen: IfMatch) -> None:
    """The key opens nothing from now on."""
    await service.revoke_key(tx, caller, key_id, seen)


def _announce(created: CreatedKey, response: Response) -> None:
    response.headers["Location"] = f"/api/v1/api-keys/{created.id}"
    response.headers["ETag"] = etag(NEW)
    response.headers["Cache-Control"] = "no-store"
