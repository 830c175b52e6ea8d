"""${message}

Safe while the previous version runs: lock_timeout is 3 s and statement_timeout 60 s, so a busy table makes the
migration fail and be tried again instead of holding everybody up. Add first, backfill, remove in a later release.
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
