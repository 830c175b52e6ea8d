"""Making, changing, rotating and revoking keys; each change and its audit entry commit together or not at all.

A key never hands out more than it holds: whoever creates a key, or sets the scopes or the end of one, or renews it, must
hold all the scopes that it has then.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import ForeignKeyViolationError
from pydantic import JsonValue
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import Unauthorized
from flowtask_kit.ids import utc_now

from ..audit import service as audit
from ..auth.errors import MoreThanHeld
from ..auth.models import Caller
from ..auth.scopes import ADMIN, beyond
from ..http.paging import NumberedQuery, Page, numbered
from ..http.preconditions import Precondition
from . import queries
from .errors import KeyNotFound, NotTheirKey, OperatorsKey, TooManyKeys
from .models import ApiKey
from .schemas import CreatedKey, CreateKey, RotateKey, UpdateKey

MOST = 20
"""How many live keys a workspace has at most; a key and the one that it gives way to after a rotation count as one."""


async def create_key(
    tx: AsyncSession,
    *,
    workspace_id: UUID,
    user_id: UUID,
    name: str,
    scopes: Sequence[str] = (ADMIN,),
    expires_at: datetime | None = None,
    operator: bool = False,
) -> CreatedKey:
    """A new key of a member; its text is in the answer and nowhere else. TooManyKeys when the workspace is full,
    Unauthorized once they are no member any more.

    Who may hand it out, and telling the audit log, is the caller's part.
    """
    await tx.execute(queries.workspace_for_a_key(workspace_id))
    if (await tx.scalar(queries.live_keys(workspace_id)) or 0) >= MOST:
        raise TooManyKeys
    row, key = ApiKey.new(
        workspace_id=workspace_id,
        user_id=user_id,
        name=name,
        scopes=scopes,
        expires_at=expires_at,
        operator=operator,
        at=utc_now(),
    )
    tx.add(row)
    try:
        await tx.flush()
    except IntegrityError as error:
        if error.orig is not None and isinstance(error.orig.__cause__, ForeignKeyViolationError):
            raise Unauthorized from None
        raise
    return row.shown_once(key)


async def create_own_key(tx: AsyncSession, caller: Caller, body: CreateKey) -> CreatedKey:
    """A new key that acts as the caller."""
    _require_held(caller, body.scopes)
    key = await create_key(tx, workspace_id=caller.workspace_id, user_id=caller.user_id, **dict(body))
    audit.record(tx, caller, "api_key.created", key.id, key.told())
    return key


async def list_keys(tx: AsyncSession, caller: Caller, asked: NumberedQuery) -> Page[ApiKey]:
    """The workspace's keys, newest first."""
    return await numbered(tx, queries.keys(caller.workspace_id), asked)


async def get_key(tx: AsyncSession, caller: Caller, key_id: UUID) -> ApiKey:
    """One key of the workspace."""
    key = await tx.scalar(queries.key(caller.workspace_id, key_id))
    if key is None:
        raise KeyNotFound
    return key


async def update_key(tx: AsyncSession, caller: Caller, key_id: UUID, body: UpdateKey, seen: Precondition) -> ApiKey:
    """Change the fields that were sent, if the key is as the caller has seen it; what changes nothing tells nothing."""
    key = await _locked(tx, caller, key_id)
    seen.check(key.version)
    fields = {name: getattr(body, name) for name in body.model_fields_set}
    if fields.keys() - {"name"}:
        _require_held(caller, fields.get("scopes", key.scopes), operator=key.operator)
    changes = key.change(fields, at=utc_now())
    if changes:
        audit.record(tx, caller, "api_key.updated", key.id, {"changes": changes})
    return key


async def rotate_key(tx: AsyncSession, caller: Caller, key_id: UUID, body: RotateKey) -> CreatedKey:
    """A new key in the place of one of the caller's own, which ends after the overlap; the one before that ends now."""
    key = await _locked(tx, caller, key_id)
    if key.user_id != caller.user_id:
        raise NotTheirKey
    _require_held(caller, key.scopes, operator=key.operator)
    overlap, now = timedelta(seconds=body.overlap_seconds), utc_now()
    row, secret = key.rotate(overlap=overlap, expires_at=body.expires_at, at=now)
    if key.rotated_from is not None:
        before = await tx.scalar(queries.key(caller.workspace_id, key.rotated_from).with_for_update())
        if before is not None:
            before.end(at=now)
    tx.add(row)
    await tx.flush()
    details: dict[str, JsonValue] = {"rotatedTo": str(row.id), "overlapSeconds": body.overlap_seconds}
    audit.record(tx, caller, "api_key.rotated", key.id, details)
    return row.shown_once(secret)


async def revoke_key(tx: AsyncSession, caller: Caller, key_id: UUID, seen: Precondition) -> None:
    """Close a key; requests that begin after the commit are refused."""
    key = await _locked(tx, caller, key_id)
    seen.check(key.version)
    key.revoke(at=utc_now())
    audit.record(tx, caller, "api_key.revoked", key.id)


async def _locked(tx: AsyncSession, caller: Caller, key_id: UUID) -> ApiKey:
    key = await tx.scalar(queries.key(caller.workspace_id, key_id).with_for_update())
    if key is None:
        raise KeyNotFound
    return key


def _require_held(caller: Caller, scopes: Sequence[str], *, operator: bool = False) -> None:
    missing = [] if caller.scopes is None else beyond(caller.scopes, scopes)
    if missing:
        raise MoreThanHeld(missing)
    if operator and not caller.operator:
        raise OperatorsKey
