"""The plan of a workspace, by which its requests are limited.

Safe while the previous version runs: the column has a constant default, and the check is true for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1730"
down_revision = "2026_11_22_1715"
branch_labels = None
depends_on = None

PLANS = ("FREE", "PRO", "ENTERPRISE")


def upgrade() -> None:
    plan = sa.Enum(*PLANS, name="plan", native_enum=False, create_constraint=True, length=20)
    op.add_column("workspaces", sa.Column("plan", plan, server_default="FREE", nullable=False), schema="api")
