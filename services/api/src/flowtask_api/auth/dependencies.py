"""The caller of a request, as routes ask for it; none of them sees which credential it was."""

from collections.abc import Sequence
from typing import Annotated, Protocol

from fastapi import Depends, Request

from flowtask_contracts.errors import FlowTaskError, Forbidden, RateLimited, Unauthorized, ValidationFailed
from flowtask_kit.database.direct import Direct
from flowtask_kit.http.middleware import logged_with

from ..http.dependencies import resources_of
from ..http.refusals import may_raise
from ..rate_limits.dependencies import limit_caller, limit_expired, limit_failures
from .errors import Expired, MissingScope, Unjudged
from .models import Caller, Proven
from .scopes import Access


class Authenticator(Protocol):
    """Knows one kind of credential."""

    async def __call__(self, direct: Direct, request: Request) -> Proven | None:
        """What the credential of the request proves; None where there is none of this kind, or no valid one.

        May say what is wrong with a credential of its kind: Unauthorized, Expired or Unjudged. What is wrong with the rest
        of the request is said in what it proves, so that it counts.
        """


async def authenticate(request: Request, access: Access) -> None:
    """Find out who calls, as `identify` does; MissingScope for a key that may not have this access."""
    caller = await identify(request)
    if not caller.permits(access):
        raise MissingScope(access)


async def identify(request: Request) -> Caller:
    """Find out who calls, before anything else of the request is looked at; no connection is held when it is known.

    Unauthorized when no authenticator knows the caller; RateLimited for a caller, or an address whose credentials are refused,
    that asks too often. From here on the answer, whatever it will be, tells the limits.
    """
    try:
        quota, caller = await _proven(request)
    except Expired as error:
        await limit_expired(request, error.holder)
        raise
    except (Unauthorized, Unjudged):
        await limit_failures(request)
        raise
    if isinstance(caller, FlowTaskError):
        await limit_caller(request, quota)
        raise caller
    request.state.caller = caller
    logged_with(request, workspace_id=caller.workspace_id, key_id=caller.key_id)
    await limit_caller(request, quota)
    return caller


async def _proven(request: Request) -> Proven:
    authenticators: Sequence[Authenticator] = request.app.state.authenticators
    direct = resources_of(request).direct
    for authenticator in authenticators:
        proven = await authenticator(direct, request)
        if proven is not None:
            return proven
    raise Unauthorized


@may_raise(ValidationFailed, Unauthorized, RateLimited, MissingScope)
async def caller_of(request: Request) -> Caller:
    """The caller, who is known before a route begins."""
    caller: Caller = request.state.caller
    return caller


def _administering(caller: Caller) -> Caller:
    if not caller.administers:
        raise Forbidden("Only owners and admins of the workspace may do this")
    return caller


@may_raise(Forbidden)
async def authenticate_admin(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
    """The caller, who must be an owner or admin."""
    return _administering(caller)


async def authenticate_confidant(caller: Annotated[Caller, Depends(authenticate_admin)]) -> Caller:
    """The caller, who must be an owner or admin, and whose key must do more than read: who knows a secret can pose as us."""
    return caller


ADMINISTERING = frozenset({authenticate_admin})
"""A route that depends on one of these is administrative."""
CONFIDING = frozenset({authenticate_confidant})
"""A route that depends on one of these asks for the scope of writing, whatever its method."""

Authenticated = Annotated[Caller, Depends(caller_of)]
Admin = Annotated[Caller, Depends(authenticate_admin)]
Confidant = Annotated[Caller, Depends(authenticate_confidant)]
