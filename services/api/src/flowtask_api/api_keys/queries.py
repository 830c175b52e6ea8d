"""Questions about keys."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, TextClause, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from flowtask_kit.database.prepared import Prepared

from ..accounts.models import Membership, Workspace
from .models import ApiKey

HOLDER = Prepared(
    select(ApiKey.id, ApiKey.workspace_id, ApiKey.user_id, ApiKey.operator, Membership.role, Workspace.plan)
    .join(
        Membership,
        (Membership.workspace_id == ApiKey.workspace_id) & (Membership.user_id == ApiKey.user_id),
    )
    .join(Workspace, Workspace.id == ApiKey.workspace_id)
    .where(ApiKey.digest == bindparam("digest"), ApiKey.revoked_at.is_(None))
)
"""Whom the key of a `digest` belongs to and what they are now; nobody once it is revoked or they left the workspace.

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


def note_uses(uses: Mapping[UUID, datetime]) -> TextClause:
    """Write down when keys were last used, all in one statement; a later time is never replaced by an earlier one."""
    statement = text("""
        UPDATE api.api_keys AS k SET last_used_at = GREATEST(k.last_used_at, used.at)
        FROM unnest(:ids, :ats) AS used (id, at)
        WHERE k.id = used.id
    """)
    return statement.bindparams(
        bindparam("ids", list(uses), type_=ARRAY(Uuid())),
        bindparam("ats", list(uses.values()), type_=ARRAY(TIMESTAMP(timezone=True))),
    )
