"""An index by which the mails are found that tell of what a person did.

Safe while the previous version runs: it is built without holding up writers, outside of a transaction; a run that broke
off is repeated.
"""

from alembic import op

revision = "2026_11_22_2011"
down_revision = "2026_11_22_2010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS mailer.ix_emails_actor")
        op.execute("CREATE INDEX CONCURRENTLY ix_emails_actor ON mailer.emails ((facts ->> 'actor'))")
        op.execute("SET statement_timeout = '60s'")
