"""Changes that another service makes, and secrets that it shows: written down before they are asked for, and settled by its answer.

No transaction spans the asking, so there are three of them: the entry is committed as `requested`; the command is asked; the
entry becomes `done`, or is taken back when the owner refused. Whoever dies in between, or gets no answer, leaves
`requested`: a change is never missing from the log, but one of these may not have happened. The first transaction takes the
Idempotency-Key, too; a repeat is the same command, and settles that very entry.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.base import Contract
from flowtask_contracts.commands import Command
from flowtask_contracts.errors import FlowTaskError
from flowtask_kit import logs
from flowtask_kit.bus.commands import Commands
from flowtask_kit.bus.errors import is_undecided
from flowtask_kit.crashpoints import crashpoint
from flowtask_kit.database.engine import Database
from flowtask_kit.ids import new_id, utc_now
from flowtask_kit.outages import is_outage

from ..auth.models import Caller
from ..http.dependencies import resources_of
from ..idempotency.dependencies import Claimed
from ..idempotency.service import Claim, Taken, give_back, take
from . import queries

log = logs.get(__name__)

A = TypeVar("A", bound=Contract)


class Recording:
    """A request's way to other services for what changes something there, once for each key.

    It gives commands their ids, and says in the `response` when an answer was given before.
    """

    def __init__(self, commands: Commands, database: Database, claim: Claim | None, response: Response) -> None:
        self._commands = commands
        self._database = database
        self._claim = claim
        self._response = response

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

        Raises what `Commands.ask` raises, and what is wrong with the key. The details are kept for ever: no secrets in them,
        and nobody's name or address.
        """
        entry: dict[str, Any] = {
            "id": new_id(),
            "workspace_id": caller.workspace_id,
            "actor_id": caller.user_id,
            "key_id": caller.key_id,
            "action": action,
            "target_id": target if isinstance(target, UUID) else None,
            "details": dict(details or {}),
            "created_at": utc_now(),
        }
        async with self._database.sessions.begin() as tx:
            taken = await self._take(tx)
            entry["command_id"] = taken.command_id if taken is not None else new_id()
            await tx.execute(queries.request(entry))
        answered = await self._change(command, answer, entry["command_id"], taken, entry["id"])
        crashpoint("audit.before-settle")
        known = target if isinstance(target, UUID) else target(answered)
        async with self._settling() as tx:
            await tx.execute(queries.settle({**entry, "target_id": known}))
        return answered

    async def ask_untold(self, command: Command, answer: type[A]) -> A:
        """The same for what the audit log does not tell; the key is taken in a transaction of its own."""
        if self._claim is None:
            return await self._change(command, answer, new_id(), None)
        async with self._database.sessions.begin() as tx:
            taken = await take(tx, self._claim)
        return await self._change(command, answer, taken.command_id, taken)

    async def _take(self, tx: AsyncSession) -> Taken | None:
        return None if self._claim is None else await take(tx, self._claim)

    async def _change(
        self, command: Command, answer: type[A], command_id: UUID, taken: Taken | None, entry_id: UUID | None = None
    ) -> A:
        try:
            changed = await self._commands.change(command.model_copy(update={"command_id": command_id}), answer)
        except FlowTaskError as refusal:
            if refusal.status < FlowTaskError.status and not is_undecided(refusal):
                await self._take_back(taken, entry_id)
            raise
        if changed.replayed:
            self._response.headers["Idempotency-Replayed"] = "true"
        return changed.data

    async def _take_back(self, taken: Taken | None, entry_id: UUID | None) -> None:
        """What was asked has changed nothing: neither key nor entry stays, unless a repeat may have fared otherwise."""
        async with self._settling() as tx:
            alone = taken is None or await give_back(tx, taken)
            if alone and entry_id is not None:
                await tx.execute(queries.withdraw(entry_id))

    @asynccontextmanager
    async def _settling(self) -> AsyncIterator[AsyncSession]:
        """Write what became of it; while the database is away that stays open, and the caller is answered all the same."""
        try:
            async with self._database.sessions.begin() as tx:
                yield tx
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("outcome of a change elsewhere not settled", error=repr(error))


async def recording_of(request: Request, response: Response, claim: Claimed) -> Recording:
    """The way to change something in other services, once for each key and with an entry in the audit log."""
    resources = resources_of(request)
    return Recording(resources.commands, resources.database, claim, response)


async def telling_of(request: Request, response: Response) -> Recording:
    """The way to have something shown that the audit log tells of: each time is an entry of its own."""
    resources = resources_of(request)
    return Recording(resources.commands, resources.database, None, response)


AskingRecorded = Annotated[Recording, Depends(recording_of)]
AskingTold = Annotated[Recording, Depends(telling_of)]
