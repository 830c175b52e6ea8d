"""Subscriptions, and what the service keeps of the bus.

Safe while the previous version runs: there is none.
"""

import sqlalchemy as sa
from alembic import op

from flowtask_kit.bus.tables import create_bus_tables

revision = "2026_11_22_1700"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "billing"
PLANS = ("FREE", "PRO", "ENTERPRISE")
STATUSES = ("active", "trialing", "incomplete", "incomplete_expired", "past_due", "unpaid", "paused", "canceled")


def upgrade() -> None:
    create_bus_tables(SCHEMA)
    op.create_table(
        "subscriptions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column(
            "plan", sa.Enum(*PLANS, name="plan", native_enum=False, create_constraint=True, length=20), nullable=False
        ),
        sa.Column(
            "status",
            sa.Enum(*STATUSES, name="status", native_enum=False, create_constraint=True, length=30),
            nullable=False,
        ),
        sa.Column("current_period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_at_period_end", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_subscriptions"),
        schema=SCHEMA,
    )
