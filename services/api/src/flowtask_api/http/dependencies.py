"""The transaction of a request, and its way to other services."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_kit.bus.commands import Commands
from flowtask_kit.database.direct import Direct, DirectTransaction
from flowtask_kit.database.transaction import transaction
from flowtask_kit.service.resources import Resources


def resources_of(request: Request) -> Resources:
    """The process's database, bus and loops."""
    resources: Resources = request.app.state.resources
    return resources


async def open_transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction for the whole request; a request that fails leaves nothing behind."""
    resources = resources_of(request)
    async with transaction(resources.database, resources.wake) as tx:
        yield tx


Tx = Annotated[AsyncSession, Depends(open_transaction, scope="function")]
"""The request's transaction. `scope="function"` commits it before the answer is sent, so that a 2xx is a promise."""


async def directly(request: Request) -> Direct:
    """The way to the database for reading: every statement stands for itself."""
    return resources_of(request).direct


Directly = Annotated[Direct, Depends(directly)]


async def direct_transaction(request: Request) -> DirectTransaction:
    """The request's transaction on the driver, which `ApiRoute` opens and commits."""
    tx: DirectTransaction = request.state.tx
    return tx


DirectTx = Annotated[DirectTransaction, Depends(direct_transaction)]
"""The request's transaction where every microsecond counts; it commits before the answer is sent, like `Tx`."""


async def commands_of(request: Request) -> Commands:
    """The way to ask other services."""
    return resources_of(request).commands


Asking = Annotated[Commands, Depends(commands_of)]
