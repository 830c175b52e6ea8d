"""Work that is a row: any replica goes on with it, a step in a transaction, until nothing can come late any more."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from flowtask_kit.database.quiet import database_clock, quiet_since
from flowtask_kit.ids import utc_now

AGAIN_AFTER = timedelta(seconds=0.5)
"""When work that has to wait for something is looked at again."""


class Steps:
    """The columns of such a row.

    `due_at` says whose turn it is. `seen_at` is when a replica first saw it, by the database's clock; nothing is done before
    `quiet`, when every transaction that began earlier, and may still write what the work is to find, has ended.
    """

    due_at: Mapped[datetime] = mapped_column(index=True)
    seen_at: Mapped[datetime | None]
    quiet: Mapped[bool]

    def wait(self, seconds: timedelta = AGAIN_AFTER) -> None:
        """Have it looked at again after this time."""
        self.due_at = utc_now() + seconds


W = TypeVar("W", bound=Steps)


def next_work(work: type[W], now: datetime, *unfinished: ColumnElement[bool]) -> Select[W]:
    """The work that has been due longest and that no other replica does now; taken until the transaction ends."""
    due = select(work).where(work.due_at <= now, *unfinished).order_by(work.due_at)
    return due.limit(1).with_for_update(skip_locked=True)


async def take_step(
    tx: AsyncSession,
    work: Steps,
    *,
    some: Callable[[], Awaitable[bool]],
    finish: Callable[[], Awaitable[None]],
    late: timedelta = timedelta(0),
) -> None:
    """Do `some` of the work, or `finish` it when some says that none was left and none can come.

    `late` is how long whoever was let in before the work was there may take to begin a transaction: what such transactions
    write is looked for once more when the last of them has ended. Work that did something, and was not told to wait, goes
    behind the others, so that a large one holds nobody up.
    """
    due_at = work.due_at
    if await _may_begin(tx, work):
        rest = await _still_to_wait(tx, work, late)  # asked before looking: what is found absent then stays so
        if not await some():
            if rest is None:
                await finish()
                return
            work.wait(rest)
    if work.due_at == due_at:
        work.due_at = utc_now()


async def oldest_seconds(tx: AsyncSession, work: type[Steps], *unfinished: ColumnElement[bool]) -> float:
    """How long ago the oldest work that is not finished was first seen; 0 when there is none."""
    age = func.extract("epoch", func.clock_timestamp() - func.min(work.seen_at))
    return float(await tx.scalar(select(func.coalesce(age, 0)).where(*unfinished)) or 0)


async def _may_begin(tx: AsyncSession, work: Steps) -> bool:
    if work.seen_at is None:
        work.seen_at = await database_clock(tx)
    elif work.quiet or await quiet_since(tx, work.seen_at):
        work.quiet = True
        return True
    else:
        work.wait()
    return False


async def _still_to_wait(tx: AsyncSession, work: Steps, late: timedelta) -> timedelta | None:
    """How long until it is worth asking again whether latecomers have ended; None when they have."""
    assert work.seen_at is not None
    last = work.seen_at + late
    early = last - await database_clock(tx)
    if early > timedelta(0):
        return early
    return None if await quiet_since(tx, last) else AGAIN_AFTER
