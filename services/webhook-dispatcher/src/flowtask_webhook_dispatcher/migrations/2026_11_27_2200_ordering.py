"""Endpoints that are sent to in order: what they keep to, and by which keys their due rows wait for one another.

Safe while the previous version runs: columns with defaults or without values, which it neither reads nor writes, and indexes that
are built without holding up writers, empty at first. Until it is gone it sends to an ordered endpoint as if it were not; rows that
wait for others are due in the year 9999, so it leaves those alone.
"""

import sqlalchemy as sa
from alembic import op

from flowtask_kit.database import indexes

revision = "2026_11_27_2200"
down_revision = "2026_11_27_2110"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"
INDEXES = {
    "ix_due_order": ("stream_seq", "order_key IS NOT NULL"),
    "ix_due_order_key": ("order_key, stream_seq", "order_key IS NOT NULL"),
    "ix_due_order_group": ("order_group, stream_seq", "order_group IS NOT NULL"),
    "ix_due_held": ("delivery_id", "order_key IS NOT NULL AND attempts > 0"),
}


def upgrade() -> None:
    for column in (
        sa.Column("ordering", sa.String(), nullable=False, server_default=sa.text("'none'")),
        sa.Column("after_last_try", sa.String(), nullable=False, server_default=sa.text("'skip'")),
        sa.Column("ordered_since", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("endpoints", column, schema=SCHEMA, if_not_exists=True)
    op.add_column("due", sa.Column("order_group", sa.String(), nullable=True), schema=SCHEMA, if_not_exists=True)
    op.add_column(
        "due", sa.Column("blocked_at", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA, if_not_exists=True
    )
    with indexes.as_long_as_it_takes():
        for name, (columns, condition) in INDEXES.items():
            indexes.build(SCHEMA, name, f"due (endpoint_id, {columns}) WHERE {condition}")
