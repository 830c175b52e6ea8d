"""Tombstones in the projection, and what is still to be erased.

Safe while the previous version runs: new columns are nullable, and a place without a role is one that it never reads.
"""

import sqlalchemy as sa
from alembic import op

from flowtask_kit.bus.tables import add_workspace_of_commands

revision = "2026_11_22_2010"
down_revision = "2026_11_22_1700"
branch_labels = None
depends_on = None

SCHEMA = "mailer"


def upgrade() -> None:
    add_workspace_of_commands(SCHEMA)
    for table in ("recipients", "workspaces"):
        op.add_column(table, sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA)
    op.alter_column("memberships", "role", nullable=True, schema=SCHEMA)
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("user", "workspace", name="kind", native_enum=False, create_constraint=True, length=20),
            nullable=False,
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quiet", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        schema=SCHEMA,
    )
    op.create_index("ix_erasures_due_at", "erasures", ["due_at"], schema=SCHEMA)
