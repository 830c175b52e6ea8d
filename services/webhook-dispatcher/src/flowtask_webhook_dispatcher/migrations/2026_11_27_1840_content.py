"""What an endpoint is sent: a filter, the form of its payload, headers of its owner's, and notes.

Safe while the previous version runs: columns with defaults or without values, which it neither reads nor writes. Until it is gone
it sends to endpoints that have a filter, a thin payload or headers as if they had none. What it leaves in them of endpoints that
it deletes, the jobs of this version wipe; its `rotate-keys` passes headers over, so it is run again with this version.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_27_1840"
down_revision = "2026_11_27_1810"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"


def upgrade() -> None:
    for column in (
        sa.Column("filter", JSONB(), nullable=True),
        sa.Column("payload", sa.String(), nullable=False, server_default=sa.text("'full'")),
        sa.Column("payload_before", JSONB(), nullable=False, server_default=sa.text("'[]'")),
        sa.Column("headers", sa.LargeBinary(), nullable=True),
        sa.Column("header_names", JSONB(), nullable=False, server_default=sa.text("'[]'")),
        sa.Column("metadata", JSONB(), nullable=False, server_default=sa.text("'{}'")),
    ):
        op.add_column("endpoints", column, schema=SCHEMA)
