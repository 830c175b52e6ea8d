"""Statements on counts of attempts."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Delete, Select, delete, func, select

from .models import KEPT, AttemptCount

COUNT = """
    INSERT INTO webhooks.attempt_counts AS c (endpoint_id, slot, delivered, bucket, attempts)
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::bool[], $4::smallint[], $5::int[])
    ON CONFLICT (endpoint_id, slot, delivered, bucket) DO UPDATE SET attempts = c.attempts + excluded.attempts
"""
"""Written by the driver, in the order of the key, so that replicas never wait for each other in a circle."""


def counts(endpoint_id: UUID, since: datetime) -> Select[bool, int, int]:
    """Delivered, bucket and number of the attempts at an endpoint since a moment."""
    return (
        select(AttemptCount.delivered, AttemptCount.bucket, func.sum(AttemptCount.attempts))
        .where(AttemptCount.endpoint_id == endpoint_id, AttemptCount.slot > since)
        .group_by(AttemptCount.delivered, AttemptCount.bucket)
    )


def forget(now: datetime) -> Delete:
    """Remove what is too old to be told."""
    return delete(AttemptCount).where(AttemptCount.slot < now - KEPT - timedelta(hours=1))
