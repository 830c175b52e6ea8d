"""What was restored onto another server gets numbers of that server.

Restored rows keep the numbers of the server that they come from, where its transactions may have counted further: until the
new one has come as far, every sync would tell these rows again.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from . import queries
from .models import SyncState

BLOCKS = 64
"""How much of each table one step goes through: some two thousand tasks."""


async def go_on(tx: AsyncSession, *, blocks: int = BLOCKS) -> bool:
    """Go through the next blocks of the tables, if they come from another server; False when nothing is left to do.

    Rows with numbers that no transaction has here are told once more, as if they had changed now. Tombstones with such numbers
    go: who had a copy from before begins anew.
    """
    state = await tx.scalar(select(SyncState).with_for_update(skip_locked=True))
    if state is None:
        return False
    server = (await tx.execute(queries.SERVER)).one()
    if state.system != server.system:
        state.system, state.renumbered_to = server.system, 0
    if state.renumbered_to is None:
        return False
    blocks_now = {"from_block": state.renumbered_to, "to_block": state.renumbered_to + blocks, "newest": server.newest}
    for statement in queries.RENUMBER:
        await tx.execute(statement, blocks_now)
    state.renumbered_to += blocks
    if state.renumbered_to >= server.blocks:
        state.renumbered_to = None
    return True
