"""Who is calling."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from flowtask_contracts.errors import FlowTaskError
from flowtask_contracts.resources import Role

from ..rate_limits.models import Quota
from .scopes import Access, permits


@dataclass(frozen=True, slots=True)
class Caller:
    """One authenticated caller: a user acting in one workspace. `key_id` is the API key that was used, if one was.

    `scopes` are the key's; None, for a user who came without a key, is everything that the role allows.
    """

    workspace_id: UUID
    user_id: UUID
    role: Role
    key_id: UUID | None
    operator: bool
    scopes: frozenset[str] | None = None

    @property
    def actor(self) -> str:
        """The name under which events say who did it."""
        return f"user:{self.user_id}"

    @property
    def administers(self) -> bool:
        """Whether the caller may manage keys, webhooks, billing and members."""
        return self.role in {Role.OWNER, Role.ADMIN}

    def permits(self, access: Access) -> bool:
        """Whether the credential is for this; what the role allows is asked besides."""
        return self.scopes is None or permits(self.scopes, access)


class Proven(NamedTuple):
    """What a genuine credential comes to: a request that counts, whoever calls, or whatever refuses them."""

    quota: Quota
    caller: Caller | FlowTaskError
