"""Erasures in steps: when each was first seen, and whether everything older has ended.

Safe while the previous version runs: it writes neither column, one is empty then and the other has a constant default.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2335"
down_revision = "2026_11_22_2330"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"


def upgrade() -> None:
    op.add_column("erasures", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA)
    op.add_column(
        "erasures", sa.Column("quiet", sa.Boolean(), server_default=sa.false(), nullable=False), schema=SCHEMA
    )
