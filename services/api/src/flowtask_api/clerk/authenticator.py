"""The Clerk authenticator: `Authorization: Bearer <session token>`, and `X-FlowTask-Workspace` to pick a workspace."""

from collections import OrderedDict
from datetime import datetime
from uuid import UUID

import asyncpg
from fastapi import Request
from starlette.datastructures import Headers

from flowtask_contracts.errors import FlowTaskError, ValidationFailed
from flowtask_contracts.resources import Plan, Role
from flowtask_kit import logs
from flowtask_kit.database.direct import Direct
from flowtask_kit.database.transaction import transaction
from flowtask_kit.service.resources import Resources

from ..accounts.errors import WorkspaceNotFound
from ..auth.models import Caller, Proven
from ..auth.workspaces import refused_workspace, wanted_workspace
from ..rate_limits.models import Quota
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
        self._welcomed: OrderedDict[tuple[str, str | None], datetime] = OrderedDict()

    async def __call__(self, direct: Direct, request: Request) -> Proven | None:
        """The person whose token this is; None without a bearer token, and for an API key.

        InvalidToken, TokenExpired or SignInUnavailable for the token. A person without a place counts by the plan FREE.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or token.startswith("ft_"):
            return None
        session = await self._verifier.session(token)
        wanted, refusal = _wanted(request.headers)
        found = await self._place(direct, session, wanted)
        plan = Plan.FREE if found is None else Plan(found["plan"])
        return Proven(Quota(session.holder, plan), refusal or _caller(session, wanted, found))

    async def close(self) -> None:
        """Let go of the connections to Clerk."""
        await self._keys.close()

    async def _welcome(self, session: Session) -> None:
        """Make known who comes, in a transaction of its own: what becomes of the request is its affair."""
        async with transaction(self._resources.database, self._resources.wake) as tx:
            await service.welcome(tx, session)
        self._welcomed[_who(session)] = session.issued_at
        if len(self._welcomed) > MOST_WELCOMED:
            self._welcomed.popitem(last=False)

    async def _place(self, direct: Direct, session: Session, wanted: UUID | None) -> asyncpg.Record | None:
        """Where the person is, or would be without the header; None when there is no such place."""
        try:
            if _who(session) not in self._welcomed:
                await self._welcome(session)
            found = await _find(direct, session, wanted)
            if self._is_news(session, wanted, found):
                await self._welcome(session)
                found = await _find(direct, session, wanted)
        except WorkspaceNotFound:
            return None
        return found

    def _is_news(self, session: Session, wanted: UUID | None, found: asyncpg.Record | None) -> bool:
        """Whether the token tells what is not known here; a workspace that the header names is for others to let people into."""
        if session.organization is None:
            return found is None and wanted is None
        return found is None or self._tells_more(session, Role(found["role"]))

    def _tells_more(self, session: Session, role: Role) -> bool:
        """Whether a token tells of another role than the person has. An owner may be the last, who stays: one look for each token."""
        if session.organization is None or service.agrees(role, session.organization):
            return False
        return role is not Role.OWNER or self._welcomed.get(_who(session)) != session.issued_at


def _wanted(headers: Headers) -> tuple[UUID | None, FlowTaskError | None]:
    try:
        return wanted_workspace(headers), None
    except ValidationFailed as refusal:
        return None, refusal


def _caller(session: Session, wanted: UUID | None, found: asyncpg.Record | None) -> Caller | FlowTaskError:
    """Who calls in the workspace that the request names, or why they may not."""
    if found is None:
        return WorkspaceNotFound()
    if wanted not in {None, found["workspace_id"]}:
        if session.organization is None:
            return WorkspaceNotFound()
        return refused_workspace("is not the workspace of the organization that the token is for")
    return Caller(
        workspace_id=found["workspace_id"],
        user_id=found["id"],
        role=Role(found["role"]),
        key_id=None,
        operator=False,
    )


def _who(session: Session) -> tuple[str, str | None]:
    return session.clerk_id, session.organization.clerk_id if session.organization else None


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
