"""Statements over the slots of jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Delete, Select, delete, func, or_, select

from flowtask_kit.schedule.models import JobRun


def one_at_a_time(job: str) -> Select[Any]:
    """Wait until nobody else looks at this job of this service, until the transaction ends."""
    key = func.hashtextextended(func.concat("flowtask.job.", func.current_user(), ".", job), 0)
    return select(func.pg_advisory_xact_lock(key))


def newest(records: type[JobRun], job: str, now: datetime) -> Select[JobRun]:
    """The newest slot that anybody has claimed; what a clock that was wrong has claimed of the future is not looked at."""
    return select(records).where(records.job == job, records.slot <= now).order_by(records.slot.desc()).limit(1)


def claimed(records: type[JobRun], job: str, slot: datetime, claim_no: int) -> Select[JobRun]:
    """The slot, if that claim still counts; locked."""
    return (
        select(records)
        .where(records.job == job, records.slot == slot, records.claim_no == claim_no, records.finished_at.is_(None))
        .with_for_update()
    )


def last_success(records: type[JobRun], job: str) -> Select[datetime | None]:
    """When a run of this job last ended well."""
    return (
        select(records.finished_at)
        .where(records.job == job, records.finished_at.is_not(None))
        .order_by(records.slot.desc())
        .limit(1)
    )


def first_slot(records: type[JobRun], job: str) -> Select[datetime | None]:
    """The oldest slot that is remembered of this job."""
    return select(func.min(records.slot)).where(records.job == job)


def forget(records: type[JobRun], job: str, known: Sequence[str], before: datetime) -> Delete:
    """Remove old slots of this job, and of jobs that are no longer there."""
    return delete(records).where(records.slot < before, or_(records.job == job, records.job.not_in(known)))
