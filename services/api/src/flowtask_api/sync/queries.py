"""Statements about changes, run on the driver."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Delete,
    Integer,
    Select,
    Uuid,
    bindparam,
    delete,
    literal_column,
    select,
    text,
    tuple_,
    union_all,
)

from flowtask_kit.database.prepared import Prepared

from ..projects.models import Project
from ..tasks.models import Task
from .models import Tombstone

HORIZON = Prepared(
    text("""
        SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
               pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
               (pg_control_system()).system_identifier AS system,
               (pg_control_checkpoint()).timeline_id AS timeline,
               to_regclass('api.tasks')::oid::bigint AS relation,
               (SELECT token_key FROM api.sync_state) AS token_key
    """)
)
"""Below which number every transaction is settled, the number that none has reached yet, whose numbers they are, and the key
of the tokens that carry them.
"""

_WORKSPACE, _LIMIT = bindparam("workspace_id", type_=Uuid()), bindparam("limit", type_=Integer())
_PLACE = tuple_(bindparam("at", type_=BigInteger()), bindparam("after", type_=Uuid()))


def _changes(model: type[Task | Project | Tombstone], kind: str) -> Select[Any]:
    columns: tuple[Any, ...] = (model.changed_in.label("at"), model.id, literal_column(f"'{kind}'").label("kind"))
    return (
        select(*columns)
        .where(model.workspace_id == _WORKSPACE, tuple_(model.changed_in, model.id) > _PLACE)
        .order_by(model.changed_in, model.id)
        .limit(_LIMIT)
    )


_TOMBSTONES = _changes(Tombstone, "tombstone").where(
    Tombstone.changed_in >= bindparam("buried_from", type_=BigInteger())
)
_ALL = union_all(_changes(Task, "tasks"), _changes(Project, "projects"), _TOMBSTONES).subquery()

CHANGES = Prepared(select(_ALL).order_by(_ALL.c.at, _ALL.c.id).limit(_LIMIT), anew=True)
"""The next changes after a place: their numbers, ids, and which table they are in."""

TASKS = Prepared(
    text("""
        SELECT t.id, t.title, t.description, t.status, t.priority, t.due_date, t.project_id, t.assignee_id,
               t.created_at, t.updated_at, t.completed_at
        FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS wanted (id, place)
        JOIN api.tasks t ON t.id = wanted.id AND t.workspace_id = :workspace_id
        LEFT JOIN api.projects p ON p.id = t.project_id
        WHERE p.deleted_at IS NULL
        ORDER BY wanted.place
    """)
)
"""Tasks by id, those of hidden projects left out."""

PROJECTS = Prepared(
    text("""
        SELECT p.id, p.name, p.description, p.owner_id, p.created_at, p.updated_at, p.deleted_at
        FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS wanted (id, place)
        JOIN api.projects p ON p.id = wanted.id AND p.workspace_id = :workspace_id
        ORDER BY wanted.place
    """)
)
"""Projects by id, hidden ones too."""

TOMBSTONES = Prepared(
    text("""
        SELECT s.id, s.kind, s.deleted_at FROM api.tombstones s
        WHERE s.workspace_id = :workspace_id AND s.id = ANY(CAST(:ids AS uuid[])) AND s.changed_in >= :at
        ORDER BY s.changed_in, s.id
    """)
)
"""Tombstones by id, from a place on."""


def forget(before: datetime, limit: int) -> Delete:
    """Remove tombstones of deletions before that moment."""
    key = (Tombstone.workspace_id, Tombstone.changed_in, Tombstone.id)
    old = select(*key).where(Tombstone.deleted_at < before).limit(limit).cte("old")
    return delete(Tombstone).where(tuple_(*key).in_(select(old)))


SERVER = text("""
    SELECT (pg_control_system()).system_identifier AS system,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
           GREATEST(pg_relation_size('api.tasks'), pg_relation_size('api.projects'), pg_relation_size('api.tombstones'))
               / current_setting('block_size')::int AS blocks
""")
"""Which server this is, the number that none of its transactions has reached yet, and the blocks of the largest table."""

_BLOCKS = """
    ctid >= format('(%s,0)', CAST(:from_block AS bigint))::tid AND ctid < format('(%s,0)', CAST(:to_block AS bigint))::tid
        AND changed_in >= :newest
"""
_ROWS = """
    WITH restored AS (SELECT id FROM api.{table} WHERE {blocks} ORDER BY id FOR UPDATE)
    UPDATE api.{table} SET changed_in = DEFAULT WHERE id IN (SELECT id FROM restored)
"""
RENUMBER = (
    *(text(_ROWS.format(table=table, blocks=_BLOCKS)) for table in ("tasks", "projects")),
    text(f"DELETE FROM api.tombstones WHERE {_BLOCKS}"),  # noqa: S608 - no input
)
"""Give the rows of some blocks that have numbers from `newest` on one of this transaction, in the order in which deletions lock
them, and remove such tombstones.
"""
