"""Making, listing and revoking keys."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.ids import utc_now

from ..auth.models import Caller
from ..http.paging import NumberedQuery, Page, numbered
from . import queries
from .errors import KeyNotFound
from .models import ApiKey
from .schemas import CreatedKey


async def create_key(
    tx: AsyncSession, *, workspace_id: UUID, user_id: UUID, name: str, operator: bool = False
) -> CreatedKey:
    """A new key of a member; its text is in the answer and nowhere else."""
    row, key = ApiKey.new(workspace_id=workspace_id, user_id=user_id, name=name, operator=operator, at=utc_now())
    tx.add(row)
    await tx.flush()
    return row.shown_once(key)


async def list_keys(tx: AsyncSession, caller: Caller, asked: NumberedQuery) -> Page[ApiKey]:
    """The workspace's keys, newest first."""
    return await numbered(tx, queries.keys(caller.workspace_id), asked)


async def revoke_key(tx: AsyncSession, caller: Caller, key_id: UUID) -> None:
    """Close a key; requests that begin after the commit are refused."""
    key = await tx.scalar(queries.key(caller.workspace_id, key_id).with_for_update())
    if key is None:
        raise KeyNotFound
    key.revoke(at=utc_now())
