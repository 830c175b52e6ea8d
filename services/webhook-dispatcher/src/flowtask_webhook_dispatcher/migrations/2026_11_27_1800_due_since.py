"""Since when a due row could not be sent, where it was claimed and given back.

Safe while the previous version runs: a column without a default, which it neither reads nor writes.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_1800"
down_revision = "2026_11_22_2355"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("due", sa.Column("due_since", sa.DateTime(timezone=True), nullable=True), schema="webhooks")
