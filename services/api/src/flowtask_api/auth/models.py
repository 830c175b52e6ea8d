"""Who is calling."""

from dataclasses import dataclass
from uuid import UUID

from flowtask_contracts.resources import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """One authenticated caller: a user acting in one workspace. `key_id` is the API key that was used, if one was."""

    workspace_id: UUID
    user_id: UUID
    role: Role
    key_id: UUID | None
    operator: bool

    @property
    def actor(self) -> str:
        """The name under which events say who did it."""
        return f"user:{self.user_id}"

    @property
    def administers(self) -> bool:
        """Whether the caller may manage keys, webhooks, billing and members."""
        return self.role in {Role.OWNER, Role.ADMIN}
