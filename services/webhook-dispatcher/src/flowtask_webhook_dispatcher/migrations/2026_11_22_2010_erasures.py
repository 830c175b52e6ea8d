"""Workspaces that are erased, and the dead letters of who hears of them.

Safe while the previous version runs: it does not know the tables.
"""

import sqlalchemy as sa
from alembic import op

from flowtask_kit.bus.tables import add_workspace_of_commands, create_failed_messages

revision = "2026_11_22_2010"
down_revision = "2026_11_22_1300"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"


def upgrade() -> None:
    create_failed_messages(SCHEMA)
    add_workspace_of_commands(SCHEMA)
    op.create_table(
        "erasures",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_erasures"),
        schema=SCHEMA,
    )
    op.create_index("ix_erasures_revision", "erasures", ["revision"], schema=SCHEMA)
    op.create_index(
        "ix_erasures_due_at", "erasures", ["due_at"], schema=SCHEMA, postgresql_where=sa.text("finished_at IS NULL")
    )
