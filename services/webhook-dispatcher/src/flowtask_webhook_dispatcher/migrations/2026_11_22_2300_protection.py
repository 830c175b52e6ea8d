"""How an endpoint is tried again and how gently it is sent to; deliveries that another round is owed to.

Safe while the previous version runs: columns with defaults, and an index that is built partition by partition without
holding up writers, outside of a transaction; a run that broke off is repeated.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from flowtask_kit.database import indexes

revision = "2026_11_22_2300"
down_revision = "2026_11_22_2011"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"


def upgrade() -> None:
    for column in (
        sa.Column("retry_policy", sa.String(), nullable=False, server_default=sa.text("'standard'")),
        sa.Column("retry_schedule", JSONB(), nullable=True),
        sa.Column("retry_on", sa.String(), nullable=False, server_default=sa.text("'server'")),
        sa.Column("rate_limit", sa.Integer(), nullable=True),
        sa.Column("rate_period_seconds", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("max_concurrency", sa.Integer(), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.String(), nullable=True),
    ):
        op.add_column("endpoints", column, schema=SCHEMA)
    op.add_column(
        "endpoint_state", sa.Column("opens", sa.Integer(), nullable=False, server_default=sa.text("0")), schema=SCHEMA
    )
    op.add_column("endpoint_state", sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA)
    op.add_column(
        "deliveries",
        sa.Column("recoverable", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        schema=SCHEMA,
    )
    with indexes.as_long_as_it_takes():
        indexes.build_by_partition(
            SCHEMA, "deliveries", "recoverable", "(endpoint_id, last_attempt_at) WHERE recoverable"
        )
