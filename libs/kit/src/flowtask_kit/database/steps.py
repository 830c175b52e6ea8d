"""Work that is a row: any replica goes on with it, a step in a transaction, once everything older has ended."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

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


async def take_step(
    tx: AsyncSession, work: Steps, *, some: Callable[[], Awaitable[bool]], finish: Callable[[], Awaitable[None]]
) -> None:
    """Do `some` of the work, or `finish` it when some says that none was left.

    Work that did something, and was not told to wait, goes behind the others, so that a large one holds nobody up.
    """
    due_at = work.due_at
    if await _may_begin(tx, work) and not await some():
        await finish()
    elif work.due_at == due_at:
        work.due_at = utc_now()


async def _may_begin(tx: AsyncSession, work: Steps) -> bool:
    if work.seen_at is None:
        work.seen_at = await database_clock(tx)
    elif work.quiet or await quiet_since(tx, work.seen_at):
        work.quiet = True
        return True
    else:
        work.wait()
    return False
