"""A second secret of an endpoint, which signs beside the first one until it signs alone.

Safe while the previous version runs: two columns without values, which it neither reads nor writes. It signs with `secret`, which
stays the one that receivers know until the overlap ends. The jobs of this version wipe what it leaves in them.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2355"
down_revision = "2026_11_22_2350"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("next_secret", sa.LargeBinary(), nullable=True), schema=SCHEMA)
    op.add_column("endpoints", sa.Column("next_alone_at", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA)
