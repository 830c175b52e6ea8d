"""Slots of recurring jobs.

Safe while the previous version runs: it does not know the table.
"""

from flowtask_kit.schedule.tables import create_job_runs

revision = "2026_11_22_2330"
down_revision = "2026_11_22_2300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_job_runs("webhooks")
