"""The tables as they are first."""

from alembic import op
from notes.database import Base

revision = "initial"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    Base.metadata.create_all(op.get_bind())
