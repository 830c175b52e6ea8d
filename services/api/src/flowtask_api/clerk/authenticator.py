"""The Clerk authenticator: `Authorization: Bearer <session token>`, and `X-FlowTask-Workspace` to pick a workspace."""

from collections import OrderedDict
from uuid import UUID

import asyncpg
from fastapi import Request

from flowtask_contracts.resources import Plan, Role
from flowtask_kit import logs
from flowtask_kit.database.direct import Direct
from flowtask_kit.database.transaction import transaction
from flowtask_kit.service.resources import Resources

from ..accounts.errors import WorkspaceNotFound
from ..auth.models import Caller
from ..auth.workspaces import refused_workspace, wanted_workspace
from ..settings import ApiSettings
from . import queries, service
from .claims import Rules, Session
from .keys import Keys
from .verifier import Verifier

log = logs.get(__name__)

MOST_WELCOMED = 50_000


class ClerkAuthenticator:
    """Finds the caller of a session token with one statement; on first sight the person is made known, and committed."""

    def __init__(self, keys: Keys, rules: Rules, resources: Resources) -> None:
        self._keys = keys
        self._verifier = Verifier(keys, rules)
        self._resources = resources
        self._welcomed: OrderedDict[tuple[str, str | None], None] = OrderedDict()

    async def __call__(self, direct: Direct, request: Request) -> Caller | None:
        """The person whose token this is; None without a bearer token, and for an API key.

        InvalidToken, TokenExpired or SignInUnavailable for the token; ValidationFailed or WorkspaceNotFound for the header.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or token.startswith("ft_"):
            return None
        session = await self._verifier.session(token)
        wanted = wanted_workspace(request.headers)
        seen = (session.clerk_id, session.organization.clerk_id if session.organization else None)
        if seen not in self._welcomed:
            await self._welcome(session)
            self._welcomed[seen] = None
            if len(self._welcomed) > MOST_WELCOMED:
                self._welcomed.popitem(last=False)
        return await self._place(direct, session, wanted)

    async def close(self) -> None:
        """Let go of the connections to Clerk."""
        await self._keys.close()

    async def _welcome(self, session: Session) -> None:
        """Make known who comes, in a transaction of its own: what becomes of the request is its affair."""
        async with transaction(self._resources.database, self._resources.wake) as tx:
            await service.welcome(tx, session)

    async def _place(self, direct: Direct, session: Session, wanted: UUID | None) -> Caller:
        found = await _find(direct, session, wanted)
        if found is None or (session.organization and not service.agrees(Role(found["role"]), session.organization)):
            await self._welcome(session)
            found = await _find(direct, session, wanted)
        if found is None:
            raise WorkspaceNotFound
        if session.organization is not None and wanted not in {None, found["workspace_id"]}:
            raise refused_workspace("is not the workspace of the organization that the token is for")
        return Caller(
            workspace_id=found["workspace_id"],
            user_id=found["id"],
            role=Role(found["role"]),
            key_id=None,
            operator=False,
            plan=Plan(found["plan"]),
        )


async def _find(direct: Direct, session: Session, wanted: UUID | None) -> asyncpg.Record | None:
    if session.organization is not None:
        named = {"clerk_id": session.clerk_id, "organization": session.organization.clerk_id}
        return await queries.IN_ORGANIZATION.first(direct, named)
    if wanted is not None:
        return await queries.IN_WORKSPACE.first(direct, {"clerk_id": session.clerk_id, "workspace": wanted})
    return await queries.PERSONAL.first(direct, {"clerk_id": session.clerk_id})


def signing_in(settings: ApiSettings, resources: Resources) -> tuple[ClerkAuthenticator, ...]:
    """The authenticator of the issuer that the settings name; none where they name none."""
    issuer = settings.clerk_issuer
    if issuer is None:
        return ()
    if not settings.clerk_authorized_parties:
        log.warning("session tokens of every origin count: FLOWTASK_CLERK_AUTHORIZED_PARTIES is empty")
    keys = Keys(
        settings.clerk_jwks_url or f"{issuer}/.well-known/jwks.json", fresh_seconds=settings.clerk_keys_fresh_seconds
    )
    return (ClerkAuthenticator(keys, Rules(issuer, frozenset(settings.clerk_authorized_parties)), resources),)
