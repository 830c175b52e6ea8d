"""The rows that the dispatcher writes by hundreds, as types: one array of rows costs half of an array for each column.

Safe while the previous version runs, which does not know them. They are never altered: rows of another shape are another type.
"""

from alembic import op

revision = "2026_11_22_2350"
down_revision = "2026_11_22_2340"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TYPE webhooks.written_message AS (
            event_id uuid, workspace_id uuid, type text, resource_id text, stream_seq bigint, payload bytea
        )
    """)
    op.execute("""
        CREATE TYPE webhooks.written_attempt AS (
            event_id uuid, endpoint_id uuid, delivery_id uuid, workspace_id uuid, type text, resource_id text,
            status text, recoverable bool, trigger text, at timestamptz, duration_ms int, status_code int,
            error text, error_code text, dns_ms real, connect_ms real, tls_ms real, first_byte_ms real, trace_id text,
            request_headers bytea, response_headers bytea, response_body text, response_truncated bool
        )
    """)
