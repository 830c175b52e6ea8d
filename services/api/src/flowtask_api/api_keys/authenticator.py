"""The API-key authenticator: `Authorization: Bearer ft_...`."""

from fastapi import Request

from flowtask_contracts.resources import Plan, Role
from flowtask_kit.database.direct import Direct

from ..auth.models import Caller, Proven
from ..auth.workspaces import workspace_refusal
from ..rate_limits.models import Quota
from . import queries
from .last_use import LastUse
from .models import digest_of


class ApiKeyAuthenticator:
    """Finds the caller of a key by its digest, and notes that the key was used."""

    def __init__(self, last_use: LastUse) -> None:
        self._last_use = last_use

    async def __call__(self, direct: Direct, request: Request) -> Proven | None:
        """The member whose key this is; None for anything else. The work is the same for a known and an unknown key.

        The keys of a chain of rotations count in one window.
        """
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        digest = digest_of(credential.strip())
        if scheme.lower() != "bearer" or digest is None:
            return None
        found = await queries.HOLDER.first(direct, {"digest": digest})
        if found is None:
            return None
        key_id, workspace_id, user_id, operator, scopes, role, plan, window = found
        self._last_use.note(key_id, request.client.host if request.client else None)
        caller = Caller(
            workspace_id=workspace_id,
            user_id=user_id,
            role=Role(role),
            key_id=key_id,
            operator=operator,
            scopes=frozenset(scopes),
        )
        refusal = workspace_refusal(request.headers, workspace_id, of="the API key")
        return Proven(Quota(f"key:{window}", Plan(plan), workspace_id), refusal or caller)
