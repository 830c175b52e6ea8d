"""Test webhooks of the last minute, by which they are limited.

Safe while the previous version runs: it does not know the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_1910"
down_revision = "2026_11_27_1900"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"


def upgrade() -> None:
    op.create_table(
        "trials",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trials"),
        schema=SCHEMA,
    )
    op.create_index("ix_trials_workspace_id", "trials", ["workspace_id", "at"], schema=SCHEMA)
    op.create_index("ix_trials_host", "trials", ["host", "at"], schema=SCHEMA)
    op.create_index("ix_trials_at", "trials", ["at"], schema=SCHEMA)
