"""One request or one message is one transaction, opened and committed at the edge and nowhere else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, UOWTransaction

from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.engine import Database
from flowtask_kit.outbox.models import OutboxRow
from flowtask_kit.outbox.wake import Wake


@asynccontextmanager
async def transaction(database: Database, wake: Wake) -> AsyncIterator[AsyncSession]:
    """Commit on leaving, roll back on an error; when the commit holds outbox rows, the relays are woken after it."""
    async with database.sessions() as session:
        async with session.begin():
            yield session
        if session.info.pop("outbox", False):
            crashpoint("outbox.after-commit")
            await wake.send()


@event.listens_for(Session, "after_flush")
def _notice_outbox_rows(session: Session, _context: UOWTransaction) -> None:
    if any(isinstance(row, OutboxRow) for row in session.new):
        session.info["outbox"] = True
