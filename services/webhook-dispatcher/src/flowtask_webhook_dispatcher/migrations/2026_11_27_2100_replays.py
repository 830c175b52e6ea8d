"""Replays, what of them is under way, and since when an endpoint has been missing events.

Safe while the previous version runs: tables that it does not know, a column without a value, and indexes that are built without
holding up writers, outside of a transaction; a run that broke off is repeated. It takes the due rows of a replay for retries.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_27_2100"
down_revision = "2026_11_27_1920"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"
UNFINISHED = sa.text("status IN ('counting', 'running', 'cancelling')")
OPEN = "ix_deliveries_open"
DUE = "ix_due_replay"
PARTITIONS = sa.text("""
    SELECT c.relname, coalesce(x.indisvalid, true) AS fine
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN pg_index x ON x.indexrelid = to_regclass('webhooks.ix_' || c.relname || '_open')
    WHERE i.inhparent = 'webhooks.deliveries'::regclass AND NOT EXISTS (
        SELECT FROM pg_index has JOIN pg_inherits part ON part.inhrelid = has.indexrelid
        WHERE has.indrelid = c.oid AND part.inhparent = to_regclass('webhooks.ix_deliveries_open')
    )
    ORDER BY c.relname
""")
FINE = sa.text("""
    SELECT coalesce(bool_and(indisvalid), true) FROM pg_index WHERE indexrelid = to_regclass('webhooks.ix_due_replay')
""")


def upgrade() -> None:
    missed_since = sa.Column("missed_since", sa.DateTime(timezone=True), nullable=True)
    op.add_column("endpoint_state", missed_since, schema=SCHEMA, if_not_exists=True)
    _tables()
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        _index_of_deliveries("(endpoint_id, event_id) WHERE status <> 'delivered'")
        if not op.get_bind().execute(FINE).scalar():
            op.execute(f"DROP INDEX CONCURRENTLY webhooks.{DUE}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {DUE} ON webhooks.due (endpoint_id, next_attempt_at)"
            " WHERE trigger = 'replay'"
        )
        op.execute("SET statement_timeout = '60s'")


def _tables() -> None:
    op.create_table(
        "replays",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("recovery", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("statuses", JSONB(), nullable=False),
        sa.Column("events", JSONB(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("counted", sa.Uuid(), nullable=True),
        sa.Column("reached", sa.Uuid(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("total", "delivered", "failed", "skipped")),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_replays"),
        schema=SCHEMA,
        if_not_exists=True,
    )
    for name, columns, unique, where in (
        ("ix_replays_workspace_id", ["workspace_id", "id"], False, None),
        ("ix_replays_due_at", ["due_at"], False, UNFINISHED),
        ("uq_replays_unfinished", ["endpoint_id"], True, UNFINISHED),
    ):
        op.create_index(
            name, "replays", columns, unique=unique, schema=SCHEMA, postgresql_where=where, if_not_exists=True
        )
    op.create_table(
        "replay_items",
        sa.Column("replay_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("was", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("replay_id", "event_id", name="pk_replay_items"),
        sa.ForeignKeyConstraint(
            ["replay_id"],
            [f"{SCHEMA}.replays.id"],
            name="fk_replay_items_replay_id_replays",
            ondelete="CASCADE",
        ),
        schema=SCHEMA,
        if_not_exists=True,
    )


def _index_of_deliveries(columns: str) -> None:
    op.execute(f"CREATE INDEX IF NOT EXISTS {OPEN} ON ONLY webhooks.deliveries {columns}")
    for partition, fine in op.get_bind().execute(PARTITIONS).all():
        index = f"ix_{partition}_open"
        if not fine:
            op.execute(f"DROP INDEX CONCURRENTLY webhooks.{index}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON webhooks.{partition} {columns}")
        op.execute(f"ALTER INDEX webhooks.{OPEN} ATTACH PARTITION webhooks.{index}")
