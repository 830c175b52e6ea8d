"""A key of Ed25519 that signs beside an endpoint's secret, and the one that it gives way to.

Safe while the previous version runs: two columns without values, which it neither reads nor writes. Until it is gone it signs with
the secret alone, and leaves the keys as they are when it rotates that; its `rotate-keys` passes them over, so it is run again with
this version. What it leaves in them of endpoints that it deletes, the jobs of this version wipe.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_2210"
down_revision = "2026_11_27_2200"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("private_key", sa.LargeBinary(), nullable=True), schema=SCHEMA)
    op.add_column("endpoints", sa.Column("next_private_key", sa.LargeBinary(), nullable=True), schema=SCHEMA)
