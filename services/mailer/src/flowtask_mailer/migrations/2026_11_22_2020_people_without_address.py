"""People whose address is not known.

Safe while the previous version runs: it writes an address into every row.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_2020"
down_revision = "2026_11_22_2011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("recipients", "email", existing_type=sa.String(), nullable=True, schema="mailer")
