"""What recurs in this service."""

from flowtask_kit.schedule.jobs import Job

from .deliveries.jobs import history_jobs
from .endpoints.jobs import WIPING
from .failing.jobs import judging
from .health.jobs import FORGETTING
from .polling.jobs import CANCELLING
from .settings import DispatcherSettings


def jobs_of(settings: DispatcherSettings) -> tuple[Job, ...]:
    """Every job, done once per cluster."""
    judged = judging(settings.webhooks_disable_after_hours)
    return (*history_jobs(settings), FORGETTING, WIPING, CANCELLING, judged)
