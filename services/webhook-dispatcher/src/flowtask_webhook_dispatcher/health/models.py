"""Counts of attempts, and what can be told from them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts.commands.webhooks import Health

from ..database import Base

SLOT = timedelta(minutes=5)
KEPT = timedelta(days=7) + 2 * SLOT

BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000)
"""Upper ends of the buckets; what takes longer counts into the last."""


class AttemptCount(Base):
    """Attempts at an endpoint within five minutes that ended likewise and took about as long."""

    __tablename__ = "attempt_counts"
    __table_args__ = (Index("ix_attempt_counts_slot", "slot"),)

    endpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    slot: Mapped[datetime] = mapped_column(primary_key=True)
    delivered: Mapped[bool] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    attempts: Mapped[int]


def health_of(window: str, counts: Mapping[tuple[bool, int], int]) -> Health:
    """What the counts by (delivered, bucket) come to; rates and times are None without attempts."""
    attempts = sum(counts.values())
    delivered = sum(number for (well, _), number in counts.items() if well)
    took = [sum(counts.get((well, bucket), 0) for well in (True, False)) for bucket in range(len(BOUNDS_MS))]
    return Health(
        window=window,
        attempts=attempts,
        delivered=delivered,
        success_rate=round(delivered / attempts, 4) if attempts else None,
        p50_ms=quantile(took, 0.5),
        p95_ms=quantile(took, 0.95),
    )


def quantile(counts: Sequence[int], part: float) -> float | None:
    """The time, in milliseconds, that this part of the attempts did not exceed: exact to its bucket, even within it."""
    wanted, seen = part * sum(counts), 0
    if not wanted:
        return None
    lower = 0
    for upper, number in zip(BOUNDS_MS, counts, strict=True):
        if number and seen + number >= wanted:
            return round(lower + (upper - lower) * (wanted - seen) / number, 1)
        seen += number
        lower = upper
    return None
