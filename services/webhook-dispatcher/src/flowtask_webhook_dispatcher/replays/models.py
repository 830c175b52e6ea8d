"""A replay and what of it is under way. The rules are pure: what becomes of the counts, and when it is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_contracts.commands.webhook_replays import Replay as ReplayView
from flowtask_contracts.commands.webhook_replays import Replayed, ReplayStatus, WaitingFor

from ..database import Base

WINDOW = 200
"""Deliveries of a replay that are due at a time; the rest is not even a row."""

REFILLED = 100
"""So few are left of them when more are added: what a step costs is felt by others each time, however much it is for."""

SPARE = 10
"""A step is planned for when so many fewer are left, for one that comes a little too early is in vain."""

_OPEN = (ReplayStatus.COUNTING, ReplayStatus.RUNNING, ReplayStatus.CANCELLING)
_UNFINISHED = text("status IN ('counting', 'running', 'cancelling')")


@dataclass(frozen=True, slots=True)
class Came:
    """What became of deliveries that were under way."""

    delivered: int = 0
    failed: int = 0
    skipped: int = 0


class Replay(Base):
    """Work until `finished_at`: a step is one transaction under the lock of this row, so whoever dies in it leaves nothing half done.

    `counted` and `reached` are the last events that were counted, and whose turn has come. `due_at` says when its next step is.
    """

    __tablename__ = "replays"
    __table_args__ = (
        Index("ix_replays_workspace_id", "workspace_id", "id"),
        Index("ix_replays_due_at", "due_at", postgresql_where=_UNFINISHED),
        Index("uq_replays_unfinished", "endpoint_id", unique=True, postgresql_where=_UNFINISHED),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workspace_id: Mapped[UUID]
    endpoint_id: Mapped[UUID]
    recovery: Mapped[bool]
    since: Mapped[datetime]
    until: Mapped[datetime]
    statuses: Mapped[list[str]] = mapped_column(JSONB)
    events: Mapped[list[str]] = mapped_column(JSONB)
    status: Mapped[str]
    counted: Mapped[UUID | None]
    reached: Mapped[UUID | None]
    total: Mapped[int] = mapped_column(BigInteger)
    delivered: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    skipped: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    @property
    def done(self) -> int:
        """How many have had their turn, to the end."""
        return self.delivered + self.failed + self.skipped

    @property
    def unfinished(self) -> bool:
        """Whether there is a step to come."""
        return self.status in _OPEN

    def count(self, number: int, last: UUID | None, *, ended: bool) -> None:
        """So many more were found, up to the event `last`; once that is all, sending begins."""
        self.total += number
        self.counted = last or self.counted
        if ended:
            self.status = ReplayStatus.RUNNING

    def settle(self, came: Came) -> None:
        """Count what has ended."""
        self.delivered += came.delivered
        self.failed += came.failed
        self.skipped += came.skipped

    def go_on(self, last: UUID | None, under_way: int) -> None:
        """The turn has come of everything up to `last`; what was not there yet when it was counted makes the total larger."""
        self.reached = last or self.reached
        self.total = max(self.total, self.done + under_way)

    def complete(self, now: datetime) -> None:
        """Nothing is left: what was counted, and was in none of the states any more when its turn came, was skipped."""
        self.skipped += self.total - self.done
        self.status, self.finished_at = ReplayStatus.COMPLETED, now

    def cancel(self, now: datetime) -> None:
        """Send nothing more; it is over with `cancelled`, when nothing is under way."""
        self.status, self.due_at = ReplayStatus.CANCELLING, now

    def cancelled(self, now: datetime) -> None:
        """Nothing is under way any more."""
        self.status, self.finished_at = ReplayStatus.CANCELLED, now

    def wait(self, time: timedelta, now: datetime) -> None:
        """Have its next step taken after this time."""
        self.due_at = now + time

    def view(self, waiting_for: WaitingFor | None = None) -> ReplayView:
        """What the owner sees; without `created_at` it is a dry run, whose total is capped while it is counting."""
        planned = self.created_at is None
        return ReplayView(
            id=None if planned else self.id,
            endpoint_id=self.endpoint_id,
            recovery=self.recovery,
            status=ReplayStatus.PLANNED if planned else ReplayStatus(self.status),
            waiting_for=waiting_for if self.status == ReplayStatus.RUNNING and not planned else None,
            since=self.since,
            until=self.until,
            statuses=tuple(map(Replayed, self.statuses)),
            events=tuple(self.events),
            total=self.total,
            total_capped=self.status == ReplayStatus.COUNTING,
            done=self.done,
            delivered=self.delivered,
            failed=self.failed,
            skipped=self.skipped,
            remaining=self.total - self.done,
            created_at=self.created_at,
            finished_at=self.finished_at,
        )


def planned(
    *,
    replay_id: UUID,
    workspace_id: UUID,
    endpoint_id: UUID,
    recovery: bool,
    span: tuple[datetime, datetime],
    statuses: Sequence[Replayed],
    events: Sequence[str],
) -> Replay:
    """A replay of which nothing is counted or sent yet."""
    return Replay(
        id=replay_id,
        workspace_id=workspace_id,
        endpoint_id=endpoint_id,
        recovery=recovery,
        since=span[0],
        until=span[1],
        statuses=[each.value for each in statuses],
        events=list(events),
        status=ReplayStatus.COUNTING,
        total=0,
        delivered=0,
        failed=0,
        skipped=0,
    )


class ReplayItem(Base):
    """A delivery whose turn has come: how it stood before (`was`), so that it can be put back, and after how many attempts."""

    __tablename__ = "replay_items"

    replay_id: Mapped[UUID] = mapped_column(ForeignKey(Replay.id, ondelete="CASCADE"), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID]
    was: Mapped[str]
    attempts: Mapped[int]
