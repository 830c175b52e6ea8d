"""Versions of users and memberships, so that projections elsewhere can tell newer from older.

Safe while the previous version runs: a new column with a constant default rewrites no table, and the old code's inserts
get the default.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1700"
down_revision = "2026_11_22_1300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("users", "memberships"):
        op.add_column(
            table, sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False), schema="api"
        )
