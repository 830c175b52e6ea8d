"""The revision of endpoint writes, by which every replica learns of each of them: one row, which all writers change.

A writer has its lock from when it draws a revision until it has committed, so revisions become visible in order, and a reader
that has seen one has missed none below. That everybody must have it is why it is drawn last: whoever writes endpoints locks, in
this order, the workspace (`hold_workspace`), the endpoints by id (`hold`), and then the revision.
"""

from uuid import UUID

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from . import queries

_WRITTEN = "endpoints that are to have the next revision"


def revise(tx: AsyncSession, endpoint_id: UUID) -> None:
    """Give an endpoint that this transaction writes the next revision, by the last statement before the commit."""
    session = tx.sync_session
    written: set[UUID] | None = session.info.get(_WRITTEN)
    if written is None:
        written = session.info[_WRITTEN] = set()
        event.listen(session, "before_commit", _draw, once=True)
    written.add(endpoint_id)


async def hold_workspace(tx: AsyncSession, workspace_id: UUID) -> None:
    """Have nobody else make an endpoint of this workspace, or begin to erase it, until this transaction ends."""
    await tx.execute(queries.hold_workspace(workspace_id))


async def next_revision(tx: AsyncSession) -> int:
    """Draw a revision; no other write commits until this one has, so nothing else is to be waited for from here on."""
    revision = await tx.scalar(queries.next_revision())
    assert revision is not None
    return revision


def _draw(session: Session) -> None:
    session.flush()
    session.execute(queries.stamp(session.info.pop(_WRITTEN)), execution_options={"synchronize_session": False})
