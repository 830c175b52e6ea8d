"""Workspaces that are erased, so that late news does not bring them back.

Safe while the previous version runs: it does not know the table.
"""

import sqlalchemy as sa
from alembic import op

from flowtask_kit.bus.tables import add_workspace_of_commands

revision = "2026_11_22_2010"
down_revision = "2026_11_22_1700"
branch_labels = None
depends_on = None

SCHEMA = "billing"


def upgrade() -> None:
    add_workspace_of_commands(SCHEMA)
    op.create_table(
        "erased_workspaces",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_erased_workspaces"),
        schema=SCHEMA,
    )
