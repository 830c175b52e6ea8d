"""Endpoints that are polled: how each is delivered to, how far its polls have come, and the places of its deliveries.

Safe while the previous version runs: it knows none of it, and makes endpoints that are sent to. One that is polled must not be made
before every dispatcher is of this version: to the old one its URL is no URL, and what it hears for it fails. The index has
nothing in it, but building it reads deliveries: partition by partition, without holding up writers, outside of a transaction.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_1920"
down_revision = "2026_11_27_1910"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"
COLUMNS = "(endpoint_id, place, event_id) WHERE place IS NOT NULL"
PARTITIONS = sa.text("""
    SELECT c.relname, coalesce(x.indisvalid, true) AS fine
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN pg_index x ON x.indexrelid = to_regclass('webhooks.ix_' || c.relname || '_place')
    WHERE i.inhparent = 'webhooks.deliveries'::regclass AND NOT EXISTS (
        SELECT FROM pg_index has JOIN pg_inherits part ON part.inhrelid = has.indexrelid
        WHERE has.indrelid = c.oid AND part.inhparent = to_regclass('webhooks.ix_deliveries_place')
    )
    ORDER BY c.relname
""")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE webhooks.endpoints ADD COLUMN IF NOT EXISTS delivery varchar NOT NULL DEFAULT 'push'")
        op.execute("ALTER TABLE webhooks.deliveries ADD COLUMN IF NOT EXISTS place bigint")
        op.execute("""
            CREATE TABLE IF NOT EXISTS webhooks.pollings (
                endpoint_id uuid CONSTRAINT pk_pollings PRIMARY KEY
                    CONSTRAINT fk_pollings_endpoint_id_endpoints REFERENCES webhooks.endpoints (id),
                last_place bigint NOT NULL DEFAULT 0,
                acknowledged bigint NOT NULL DEFAULT 0
            )
        """)
        op.execute("SET statement_timeout = 0")
        op.execute(f"CREATE INDEX IF NOT EXISTS ix_deliveries_place ON ONLY webhooks.deliveries {COLUMNS}")
        for partition, fine in op.get_bind().execute(PARTITIONS).all():
            index = f"ix_{partition}_place"
            if not fine:
                op.execute(f"DROP INDEX CONCURRENTLY webhooks.{index}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON webhooks.{partition} {COLUMNS}")
            op.execute(f"ALTER INDEX webhooks.ix_deliveries_place ATTACH PARTITION webhooks.{index}")
        op.execute("SET statement_timeout = '60s'")
