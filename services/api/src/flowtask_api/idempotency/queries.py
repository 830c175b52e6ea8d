"""Statements about keys and kept answers, compiled once: every write with a key runs them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Delete, bindparam, delete, false, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningDelete

from flowtask_kit.database.prepared import Prepared

from .models import KeptAnswer

_NAMES = [column.name for column in KeptAnswer.__table__.columns if column.name != "repeated"]
_INSERT = insert(KeptAnswer).values({name: bindparam(name) for name in _NAMES})

LOCK = Prepared(select(func.pg_try_advisory_xact_lock(bindparam("lock", type_=BigInteger())).label("mine")))
"""Whether this transaction is now the only one with the lock; nobody is waited for."""

FIND = Prepared(
    select(
        KeptAnswer.request_hash, KeptAnswer.status, KeptAnswer.headers, KeptAnswer.body, KeptAnswer.created_at
    ).where(
        KeptAnswer.workspace_id == bindparam("workspace_id"),
        KeptAnswer.key == bindparam("key"),
        KeptAnswer.created_at > bindparam("since"),
    )
)
"""What a key stands for since a moment, with its answer where one was kept."""

KEEP = Prepared(
    _INSERT.on_conflict_do_update(
        index_elements=["workspace_id", "key"],
        set_={
            **{name: _INSERT.excluded[name] for name in _NAMES if name not in {"workspace_id", "key"}},
            "repeated": false(),
        },
    )
)
"""Keep an answer, or take a key without one, in the place of what no longer counts."""

REPEAT = Prepared(
    update(KeptAnswer)
    .where(
        KeptAnswer.workspace_id == bindparam("of"),
        KeptAnswer.key == bindparam("named"),
        KeptAnswer.created_at == bindparam("taken_at"),
    )
    .values(repeated=true())
    .returning(KeptAnswer.key)
)
"""Note that the request of a key has come again; nothing where the key was given back in the meantime."""


def give_back(workspace_id: UUID, key: str, taken_at: datetime) -> ReturningDelete[str]:
    """Free a key that was taken at that moment, unless its request has come again since."""
    return (
        delete(KeptAnswer)
        .where(
            KeptAnswer.workspace_id == workspace_id,
            KeptAnswer.key == key,
            KeptAnswer.created_at == taken_at,
            KeptAnswer.status.is_(None),
            KeptAnswer.repeated.is_(False),
        )
        .returning(KeptAnswer.key)
    )


def forget(before: datetime, limit: int) -> Delete:
    """Remove answers that were given before that moment."""
    old = select(KeptAnswer.workspace_id, KeptAnswer.key).where(KeptAnswer.created_at < before).limit(limit).cte("old")
    return delete(KeptAnswer).where(KeptAnswer.workspace_id == old.c.workspace_id, KeptAnswer.key == old.c.key)


def forget_about(about: bytes) -> Delete:
    """Remove the answers that tell of a person or a workspace, under whichever workspace they are kept."""
    return delete(KeptAnswer).where(KeptAnswer.about == about)
