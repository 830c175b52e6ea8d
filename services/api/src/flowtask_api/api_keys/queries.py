"""Questions about keys."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, String, TextClause, Uuid, bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from flowtask_kit.database.prepared import Prepared

from ..accounts.models import Membership, Workspace
from .models import ApiKey

_NOT_EXPIRED = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now())

HOLDER = Prepared(
    select(
        ApiKey.id,
        ApiKey.workspace_id,
        ApiKey.user_id,
        ApiKey.operator,
        ApiKey.scopes,
        Membership.role,
        Workspace.plan,
        ApiKey.chain.label("window"),
    )
    .join(
        Membership,
        (Membership.workspace_id == ApiKey.workspace_id) & (Membership.user_id == ApiKey.user_id),
    )
    .join(Workspace, Workspace.id == ApiKey.workspace_id)
    .where(
        ApiKey.digest == bindparam("digest"), ApiKey.revoked_at.is_(None), _NOT_EXPIRED, Workspace.erased_at.is_(None)
    )
)
"""Whom the key of a `digest` belongs to and what they are now; nobody once it is revoked or has expired, they left, or the workspace goes.

Built once, because every request asks it.
"""


def keys(workspace_id: UUID) -> Select[ApiKey]:
    """A workspace's keys, newest first."""
    return (
        select(ApiKey)
        .where(ApiKey.workspace_id == workspace_id, ApiKey.revoked_at.is_(None))
        .order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
    )


def key(workspace_id: UUID, key_id: UUID) -> Select[ApiKey]:
    """One key."""
    return select(ApiKey).where(ApiKey.workspace_id == workspace_id, ApiKey.id == key_id, ApiKey.revoked_at.is_(None))


def workspace_for_a_key(workspace_id: UUID) -> Select[UUID]:
    """The workspace, which only one transaction at a time may be adding a key to."""
    return select(Workspace.id).where(Workspace.id == workspace_id).with_for_update(key_share=True)


def live_keys(workspace_id: UUID) -> Select[int]:
    """How many of a workspace's keys open something; those of a chain of rotations are one."""
    return select(func.count(ApiKey.chain.distinct())).where(
        ApiKey.workspace_id == workspace_id, ApiKey.revoked_at.is_(None), _NOT_EXPIRED
    )


def note_uses(uses: Mapping[UUID, tuple[datetime, str | None]]) -> TextClause:
    """Write down when and from where keys were last used, all in one statement; a later use is never replaced by an
    earlier one.
    """
    statement = text("""
        UPDATE api.api_keys AS k SET last_used_at = used.at, last_used_address = used.address
        FROM unnest(:ids, :ats, :addresses) AS used (id, at, address)
        WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)
    """)
    return statement.bindparams(
        bindparam("ids", list(uses), type_=ARRAY(Uuid())),
        bindparam("ats", [at for at, _ in uses.values()], type_=ARRAY(TIMESTAMP(timezone=True))),
        bindparam("addresses", [address for _, address in uses.values()], type_=ARRAY(String())),
    )
