"""The caller of a request, as routes ask for it; none of them sees which credential it was."""

from collections.abc import Sequence
from typing import Annotated, Protocol

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import Headers

from flowtask_contracts.errors import Forbidden, Unauthorized
from flowtask_kit.database.transaction import transaction

from ..http.dependencies import Tx, resources_of
from ..rate_limits.dependencies import limit_caller, limit_failures
from .models import Caller

_documented = HTTPBearer(
    scheme_name="API key", description="An API key: `ft_` and 64 hexadecimal digits.", auto_error=False
)


class Authenticator(Protocol):
    """Knows one kind of credential."""

    async def __call__(self, tx: AsyncSession, headers: Headers) -> Caller | None:
        """The caller that the request's headers prove; None where they hold no credential of this kind, or no valid one."""


async def authenticate(request: Request, tx: Tx) -> Caller:
    """The caller, found in the request's own transaction; Unauthorized when no authenticator knows one.

    RateLimited for a caller, or an address whose credentials are refused, that asks too often.
    """
    authenticators: Sequence[Authenticator] = request.app.state.authenticators
    for authenticator in authenticators:
        caller = await authenticator(tx, request.headers)
        if caller is not None:
            request.state.caller = caller
            await limit_caller(request, caller)
            return caller
    await limit_failures(request)
    raise Unauthorized


async def authenticate_alone(request: Request) -> Caller:
    """The caller, found in a transaction of its own that ends before the route begins."""
    resources = resources_of(request)
    async with transaction(resources.database, resources.wake) as tx:
        return await authenticate(request, tx)


async def prove_caller(request: Request) -> None:
    """Raise Unauthorized unless this request has, or can be given, a caller."""
    if getattr(request.state, "caller", None) is None:
        await authenticate_alone(request)


def _administering(caller: Caller) -> Caller:
    if not caller.administers:
        raise Forbidden("Only owners and admins of the workspace may do this")
    return caller


async def authenticate_admin(caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
    """The caller, who must be an owner or admin."""
    return _administering(caller)


async def authenticate_admin_alone(caller: Annotated[Caller, Depends(authenticate_alone)]) -> Caller:
    """The caller, who must be an owner or admin, with no transaction left open."""
    return _administering(caller)


Authenticated = Annotated[Caller, Depends(authenticate)]
Admin = Annotated[Caller, Depends(authenticate_admin)]
AdminAlone = Annotated[Caller, Depends(authenticate_admin_alone)]
"""For routes that wait for another service: a connection held meanwhile would be missing everywhere else."""

SECURITY = Security(_documented)
"""Names the bearer scheme in the API's description."""
