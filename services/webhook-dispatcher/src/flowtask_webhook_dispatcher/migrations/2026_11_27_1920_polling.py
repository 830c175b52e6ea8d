"""Endpoints that are polled: how each is delivered to, how far its polls have come, and the places of its deliveries.

Safe while the previous version runs: it knows none of it, and makes endpoints that are sent to. One that is polled must not be made
before every dispatcher is of this version: to the old one its URL is no URL, and what it hears for it fails. The index has
nothing in it, but building it reads deliveries: partition by partition, without holding up writers, outside of a transaction.
"""

from alembic import op

from flowtask_kit.database import indexes

revision = "2026_11_27_1920"
down_revision = "2026_11_27_1910"
branch_labels = None
depends_on = None

SCHEMA = "webhooks"
COLUMNS = "(endpoint_id, place, event_id) WHERE place IS NOT NULL"


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
    with indexes.as_long_as_it_takes():
        indexes.build_by_partition(SCHEMA, "deliveries", "place", COLUMNS)
