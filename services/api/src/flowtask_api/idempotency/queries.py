"""Statements about kept answers, compiled once: every write with a key runs them."""

from datetime import datetime

from sqlalchemy import BigInteger, Delete, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from flowtask_kit.database.prepared import Prepared

from .models import KeptAnswer

_NAMES = [column.name for column in KeptAnswer.__table__.columns]
_INSERT = insert(KeptAnswer).values({name: bindparam(name) for name in _NAMES})

LOCK = Prepared(select(func.pg_try_advisory_xact_lock(bindparam("lock", type_=BigInteger())).label("mine")))
"""Whether this transaction is now the only one with the lock; nobody is waited for."""

FIND = Prepared(
    select(KeptAnswer.request_hash, KeptAnswer.status, KeptAnswer.headers, KeptAnswer.body).where(
        KeptAnswer.workspace_id == bindparam("workspace_id"),
        KeptAnswer.key == bindparam("key"),
        KeptAnswer.created_at > bindparam("since"),
    )
)
"""The answer that was kept under a key since a moment."""

KEEP = Prepared(
    _INSERT.on_conflict_do_update(
        index_elements=["workspace_id", "key"],
        set_={name: _INSERT.excluded[name] for name in _NAMES if name not in {"workspace_id", "key"}},
    )
)
"""Keep an answer, in the place of one that no longer counts."""


def forget(before: datetime, limit: int) -> Delete:
    """Remove answers that were given before that moment."""
    old = select(KeptAnswer.workspace_id, KeptAnswer.key).where(KeptAnswer.created_at < before).limit(limit).cte("old")
    return delete(KeptAnswer).where(KeptAnswer.workspace_id == old.c.workspace_id, KeptAnswer.key == old.c.key)


def forget_about(about: bytes) -> Delete:
    """Remove the answers that tell of a person or a workspace, under whichever workspace they are kept."""
    return delete(KeptAnswer).where(KeptAnswer.about == about)
