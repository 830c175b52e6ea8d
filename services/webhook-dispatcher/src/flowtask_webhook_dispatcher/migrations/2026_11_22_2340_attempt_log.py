"""The log of attempts in full, ways to search it, the erasing of one event, and counts for the health of endpoints.

Safe while the previous version runs: columns with defaults or none, a table that only the new one writes, and indexes that are
built partition by partition without holding up writers, outside of a transaction; a run that broke off is repeated.
"""

import sqlalchemy as sa
from alembic import op

from flowtask_kit.database import indexes

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
    with indexes.as_long_as_it_takes():
        for name, columns in INDEXES.items():
            indexes.build_by_partition(SCHEMA, "deliveries", name, columns)
