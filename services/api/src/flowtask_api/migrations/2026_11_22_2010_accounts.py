"""Time zones and locales, invitations, and what is still to be erased; keys go with the place of who made them.

Safe while the previous version runs: new columns are nullable or have constant defaults, new tables are unknown to it, and
the foreign key that takes the place of the old one refuses no more than that did.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

from flowtask_kit.bus.tables import add_workspace_of_commands

revision = "2026_11_22_2010"
down_revision = "2026_11_22_2000"
branch_labels = None
depends_on = None

SCHEMA = "api"
KEYS = "fk_api_keys_workspace_id_user_id_memberships"


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _choice(name: str, *values: str) -> sa.Column[str]:
    return sa.Column(
        name, sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=20), nullable=False
    )


def upgrade() -> None:
    add_workspace_of_commands(SCHEMA)
    _columns()
    _invitations()
    _erasures()
    _keys()


def _columns() -> None:
    for name, default in (("time_zone", "UTC"), ("locale", "en")):
        op.add_column("users", sa.Column(name, sa.String(), server_default=default, nullable=False), schema=SCHEMA)
    op.add_column("workspaces", _time("erased_at", nullable=True), schema=SCHEMA)
    op.add_column("idempotency_keys", sa.Column("about", sa.LargeBinary(), nullable=True), schema=SCHEMA)
    op.create_index(
        "ix_idempotency_keys_about",
        "idempotency_keys",
        ["about"],
        schema=SCHEMA,
        postgresql_where=sa.text("about IS NOT NULL"),
    )
    # The places there are have version 1.
    op.execute(f"CREATE SEQUENCE {SCHEMA}.membership_versions AS integer START 2")


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        _choice("role", "owner", "admin", "member"),
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        _time("created_at"),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.UniqueConstraint("workspace_id", "email", name="uq_invitations_workspace_id_email"),
        sa.UniqueConstraint("token_digest", name="uq_invitations_token_digest"),
        schema=SCHEMA,
    )
    for column in ("email", "expires_at"):
        op.create_index(f"ix_invitations_{column}", "invitations", [column], schema=SCHEMA)


def _erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        _choice("kind", "workspace", "user", "departure"),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("about", sa.LargeBinary(), nullable=True),
        _time("requested_at"),
        _time("due_at"),
        _time("seen_at", nullable=True),
        sa.Column("quiet", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        schema=SCHEMA,
    )
    for column in ("workspace_id", "user_id", "due_at"):
        op.create_index(f"ix_erasures_{column}", "erasures", [column], schema=SCHEMA)


def _keys() -> None:
    op.create_index("ix_api_keys_workspace_id_user_id", "api_keys", ["workspace_id", "user_id"], schema=SCHEMA)
    op.drop_constraint(KEYS, "api_keys", schema=SCHEMA)
    op.execute(
        f"ALTER TABLE {SCHEMA}.api_keys ADD CONSTRAINT {KEYS} FOREIGN KEY (workspace_id, user_id)"
        f" REFERENCES {SCHEMA}.memberships (workspace_id, user_id) ON DELETE CASCADE NOT VALID"
    )
    op.execute(f"ALTER TABLE {SCHEMA}.api_keys VALIDATE CONSTRAINT {KEYS}")
