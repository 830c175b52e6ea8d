"""The log of attempts in full, ways to search it, the erasing of one event, and counts for the health of endpoints.

Safe while the previous version runs: columns with defaults or none, a table that only the new one writes, and indexes that are
built partition by partition without holding up writers, outside of a transaction; a run that broke off is repeated.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2340"
down_revision = "2026_11_22_2335"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"
INDEXES = {
    "workspace": "(workspace_id, event_id)",
    "resource": "(resource_id, event_id)",
    "undelivered": "(workspace_id, event_id) WHERE status <> 'delivered'",
}
PARTITIONS = sa.text("""
    SELECT c.relname, coalesce(x.indisvalid, true) AS fine
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN pg_index x ON x.indexrelid = to_regclass('webhooks.ix_' || c.relname || '_' || :name)
    WHERE i.inhparent = 'webhooks.deliveries'::regclass ORDER BY c.relname
""")


def upgrade() -> None:
    for name in ("dns_ms", "connect_ms", "tls_ms", "first_byte_ms"):
        op.add_column("attempts", sa.Column(name, sa.REAL(), nullable=True), schema=SCHEMA)
    for column in (
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("trace_id", sa.String(), nullable=True),
        sa.Column("request_headers", sa.LargeBinary(), nullable=True),
        sa.Column("response_headers", sa.LargeBinary(), nullable=True),
        sa.Column("response_truncated", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    ):
        op.add_column("attempts", column, schema=SCHEMA)
    op.add_column("messages", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA)
    op.create_table(
        "attempt_counts",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint_id", "slot", "delivered", "bucket", name="pk_attempt_counts"),
        schema=SCHEMA,
    )
    op.create_index("ix_attempt_counts_slot", "attempt_counts", ["slot"], schema=SCHEMA)
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        for name, columns in INDEXES.items():
            _index(name, columns)
        op.execute("SET statement_timeout = '60s'")


def _index(name: str, columns: str) -> None:
    whole = f"ix_deliveries_{name}"
    op.execute(f"CREATE INDEX IF NOT EXISTS {whole} ON ONLY webhooks.deliveries {columns}")
    for partition, fine in op.get_bind().execute(PARTITIONS, {"name": name}).all():
        index = f"ix_{partition}_{name}"
        if not fine:
            op.execute(f"DROP INDEX CONCURRENTLY webhooks.{index}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON webhooks.{partition} {columns}")
        op.execute(f"ALTER INDEX webhooks.{whole} ATTACH PARTITION webhooks.{index}")
