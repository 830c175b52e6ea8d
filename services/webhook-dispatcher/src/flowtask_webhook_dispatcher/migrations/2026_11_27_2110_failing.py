"""Since when endpoints have been failing, and what their owners were told of it.

Safe while the previous version runs: columns with defaults or without values, which it neither reads nor writes.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_2110"
down_revision = "2026_11_27_2100"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"


def upgrade() -> None:
    for column in (
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("warned", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("told", sa.Integer(), nullable=False, server_default=sa.text("0")),
    ):
        op.add_column("endpoint_state", column, schema=SCHEMA)
    op.execute("""
        UPDATE webhooks.endpoint_state s SET warned = 100, missed_since = coalesce(s.missed_since, e.disabled_at)
        FROM webhooks.endpoints e WHERE e.id = s.endpoint_id AND e.disabled_at IS NOT NULL AND e.deleted_at IS NULL
    """)  # what was disabled before is no news
    op.create_index(
        "ix_endpoint_state_warned",
        "endpoint_state",
        ["endpoint_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("warned > 0"),
    )
    op.create_index(
        "ix_endpoints_disabled_at",
        "endpoints",
        ["id"],
        schema=SCHEMA,
        postgresql_where=sa.text("disabled_at IS NOT NULL AND deleted_at IS NULL"),
    )
