"""Changes that another service makes: written down before they are asked for, and settled by its answer.

No transaction spans the asking, so there are three of them: the entry is committed as `requested`; the command is asked; the
entry becomes `done`, or is taken back when the owner refused. Whoever dies in between, or gets no answer, leaves
`requested`: a change is never missing from the log, but one of these may not have happened. A repeat of the command, by
its Idempotency-Key, settles that very entry.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from pydantic import JsonValue
from sqlalchemy.sql import Executable

from flowtask_contracts.base import Contract
from flowtask_contracts.commands import Command
from flowtask_contracts.errors import FlowTaskError
from flowtask_kit import logs
from flowtask_kit.bus.commands import Commands
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.engine import Database
from flowtask_kit.ids import new_id, utc_now
from flowtask_kit.outages import is_outage

from ..auth.models import Caller
from ..http.dependencies import resources_of
from . import queries

log = logs.get(__name__)

A = TypeVar("A", bound=Contract)


class Recording:
    """The way to other services for what changes something there."""

    def __init__(self, commands: Commands, database: Database) -> None:
        self.commands = commands
        self._database = database

    async def ask(
        self,
        caller: Caller,
        command: Command,
        answer: type[A],
        action: str,
        *,
        target: UUID | Callable[[A], UUID],
        details: Mapping[str, JsonValue] | None = None,
    ) -> A:
        """The owner's answer; the change is in the audit log, under the target's id or what the answer says it is.

        Raises what `Commands.ask` raises. The details are kept for ever: no secrets in them, and nobody's name or address.
        """
        assert command.command_id is not None
        entry_id = new_id()
        values = {
            "id": entry_id,
            "workspace_id": caller.workspace_id,
            "actor_id": caller.user_id,
            "key_id": caller.key_id,
            "action": action,
            "target_id": target if isinstance(target, UUID) else None,
            "details": dict(details or {}),
            "command_id": command.command_id,
            "created_at": utc_now(),
        }
        async with self._database.sessions.begin() as tx:
            ours = await tx.scalar(queries.request(values)) is not None
        try:
            answered = await self.commands.ask(command, answer)
        except FlowTaskError as refusal:
            if ours and refusal.status < FlowTaskError.status:  # of another's entry it is not known what became
                await self._settle(queries.withdraw(entry_id))
            raise
        crashpoint("audit.before-settle")
        known = target if isinstance(target, UUID) else target(answered)
        await self._settle(queries.settle({**values, "target_id": known}))
        return answered

    async def _settle(self, statement: Executable) -> None:
        """Write what became of it; while the database is away that stays open, and the caller is answered all the same."""
        try:
            async with self._database.sessions.begin() as tx:
                await tx.execute(statement)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("audit entry not settled", error=repr(error))


async def recording_of(request: Request) -> Recording:
    """The way to change something in other services, with an entry in the audit log."""
    resources = resources_of(request)
    return Recording(resources.commands, resources.database)


AskingRecorded = Annotated[Recording, Depends(recording_of)]
