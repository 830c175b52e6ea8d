"""Who of Clerk's people was erased, and when.

Safe while the previous version runs: it does not know the table. Tokens from before an erasure that it carries out make the
person known anew, as they did.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2330"
down_revision = "2026_11_22_2310"
branch_labels = None
depends_on = None

SCHEMA = "api"


def upgrade() -> None:
    op.create_table(
        "erased_clerk_ids",
        sa.Column("clerk_digest", sa.LargeBinary(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("clerk_digest", name="pk_erased_clerk_ids"),
        schema=SCHEMA,
    )
    op.create_index("ix_erased_clerk_ids_erased_at", "erased_clerk_ids", ["erased_at"], schema=SCHEMA)
