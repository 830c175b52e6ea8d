"""Events whose content was erased: whatever comes late of them is recorded without any.

Safe while the previous version runs: it does not know the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_1810"
down_revision = "2026_11_27_1800"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"


def upgrade() -> None:
    op.create_table(
        "erased_events",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quiet", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name="pk_erased_events"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_erased_events_due_at",
        "erased_events",
        ["due_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
