"""Answering other services' commands: each in one transaction, concurrently, and a repeat like the first time."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from inspect import Parameter, Signature
from typing import Any, TypeVar

from faststream.message import StreamMessage
from faststream.nats import NatsMessage
from opentelemetry.trace import SpanKind
from pydantic import ValidationError
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.base import Contract
from flowtask_contracts.commands import Command, Reply, WorkspaceCommand
from flowtask_contracts.errors import FlowTaskError, ServiceUnavailable, ValidationFailed
from flowtask_kit import logs, metrics, traces
from flowtask_kit.bus.connection import Bus, is_inbox
from flowtask_kit.bus.errors import KeyReused, OutcomeUnknown, UnderWay
from flowtask_kit.bus.models import CommandRecord
from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import utc_now
from flowtask_kit.outages import is_outage
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.validation import details_of

log = logs.get(__name__)

C = TypeVar("C", bound=Command)
F = TypeVar("F")
P = TypeVar("P")

Answering = Callable[[AsyncSession, C], Awaitable[Contract]]
CarryingOut = Callable[[C], Awaitable[Reply]]

CONCURRENCY = 64
MAX_REPLY_BYTES = 1_000_000
"""Below NATS's default `max_payload` of 1 MiB."""


class Answers:
    """Registers functions that answer commands: `answers.to(CreateEndpoint, create_endpoint)`."""

    def __init__(self, bus: Bus, database: Database, wake: Wake, records: type[CommandRecord], *, service: str) -> None:
        self._bus = bus
        self._database = database
        self._wake = wake
        self._records = records
        self._service = service

    def to(self, command: type[C], function: Answering[C]) -> None:
        """Have `function` answer a command; it gets the transaction first and raises FlowTaskError to refuse."""

        async def carry_out(request: C) -> Reply:
            return await self._in_transaction(request, function)

        self._subscribe(command, carry_out)

    def to_prepared(
        self,
        command: type[C],
        find_out: Callable[[C], Awaitable[P]],
        function: Callable[[AsyncSession, C, P], Awaitable[Contract]],
    ) -> None:
        """Like `to`, for a command about which somebody else has to be asked: `find_out` does that before the transaction.

        What it finds goes to `function`, which alone decides: a repeat gets the first answer, whatever is found now.
        """

        async def carry_out(request: C) -> Reply:
            found = await find_out(request)
            return await self._in_transaction(request, lambda tx, request: function(tx, request, found))

        self._subscribe(command, carry_out)

    def to_outside(
        self,
        command: type[C],
        find_out: Callable[[C], Awaitable[F]],
        begin: Callable[[AsyncSession, C, F], Awaitable[P]],
        perform: Callable[[C, P], Awaitable[Contract]],
    ) -> None:
        """For a command that is carried out at somebody else's, at most once: no transaction is open while `perform` does it.

        `begin` may refuse; its transaction, after `find_out`, has the command's id on record before anything is done. Another
        keeps the reply. A repeat gets that reply; UnderWay while there may still come one, and OutcomeUnknown after that.

        `perform` raises ServiceUnavailable only where nothing was done: the id is forgotten, and a repeat is carried out.
        """

        async def carry_out(request: C) -> Reply:
            found = await find_out(request)
            async with transaction(self._database, self._wake) as tx:
                if request.command_id is not None and (kept := await self._taken(tx, request)) is not None:
                    return _replayed(kept, timedelta(seconds=2 * command.deadline))
                prepared = await begin(tx, request, found)
            try:
                answer = await perform(request, prepared)
            except ServiceUnavailable:
                await self._forget(request)
                raise
            data = answer.model_dump(mode="json", by_alias=True)
            await self._keep_later(request, data)
            return Reply(data=data)

        self._subscribe(command, carry_out)

    def _subscribe(self, command: type[C], carry_out: CarryingOut[C]) -> None:
        async def answer(message: NatsMessage) -> bytes:
            if message.reply_to and not is_inbox(message.reply_to):  # the bus would take our answer for a word of ours
                log.error("command wants its answer said elsewhere", command=command.bus_subject())
                message.reply_to = ""
                return b""
            reply = await self._answer(command, carry_out, message)
            body = reply.model_dump_json(by_alias=True).encode()
            if len(body) > MAX_REPLY_BYTES:  # NATS would refuse it, and the asker would wait in vain
                log.error("reply is too large", command=command.bus_subject(), bytes=len(body))
                body = Reply(error=FlowTaskError().body).model_dump_json(by_alias=True).encode()
            return body

        document(answer, command)
        self._bus.broker.subscriber(
            command.bus_subject(),
            queue=self._service,
            max_workers=CONCURRENCY,
            decoder=undecoded,
            title=command.__name__,
            description=command.__doc__,
        )(answer)

    async def _answer(self, command: type[C], carry_out: CarryingOut[C], message: NatsMessage) -> Reply:
        begun = time.perf_counter()
        with traces.tracer().start_as_current_span(
            command.bus_subject(), context=traces.extract(message.headers), kind=SpanKind.SERVER
        ):
            try:
                reply = await carry_out(_read(command, message.body))
            except FlowTaskError as refusal:
                reply = Reply(error=refusal.body)
            except Exception as error:  # noqa: BLE001 - the other service gets an answer whatever happens here
                reply = self._unexpected(command, error)
        status = reply.error.code if reply.error else "ok"
        seconds = time.perf_counter() - begun
        metrics.COMMANDS_ANSWERED.labels(command.verb, status).observe(seconds)
        if seconds > command.deadline:
            log.warning(
                "command answered too late", command=command.bus_subject(), status=status, seconds=round(seconds, 2)
            )
        return reply

    async def _in_transaction(self, request: C, function: Answering[C]) -> Reply:
        async with transaction(self._database, self._wake) as tx:
            if not request.changes or request.command_id is None:
                return Reply(data=(await function(tx, request)).model_dump(mode="json", by_alias=True))
            return await self._once(tx, request, function)

    async def _once(self, tx: AsyncSession, request: C, function: Answering[C]) -> Reply:
        """Do it and keep the reply with its id, in the same transaction; answer a repeat with what was kept."""
        kept = await self._taken(tx, request)
        if kept is not None:
            return Reply(data=kept.reply, replayed=True)
        data = (await function(tx, request)).model_dump(mode="json", by_alias=True)
        await self._keep(tx, request, data)
        return Reply(data=data)

    async def _taken(self, tx: AsyncSession, request: Command) -> CommandRecord | None:
        """Put the command's id on record with this transaction; what there is of it already, if that is a repeat.

        UnderWay while a transaction of the first is open: a repeat waits for nothing and holds no connection. The lock is tried
        in a statement of its own, before the one that looks: that one sees all that was committed under it.
        """
        records = self._records
        if not await tx.scalar(select(func.pg_try_advisory_xact_lock(self._lock(request)))):
            raise UnderWay(retry_after=1)
        digest = request_hash(request)
        workspace_id = request.workspace_id if isinstance(request, WorkspaceCommand) else None
        first = await tx.scalar(
            insert(records)
            .values(command_id=request.command_id, request_hash=digest, workspace_id=workspace_id)
            .on_conflict_do_nothing()
            .returning(records.command_id)
        )
        if first is not None:
            return None
        kept = (await tx.scalars(select(records).where(records.command_id == request.command_id))).one()
        if kept.request_hash != digest:
            raise KeyReused
        return kept

    async def _keep(self, tx: AsyncSession, request: Command, data: dict[str, Any]) -> None:
        records = self._records
        await tx.execute(
            update(records).where(records.command_id == request.command_id).values(reply=without_secrets(request, data))
        )

    async def _keep_later(self, request: Command, data: dict[str, Any]) -> None:
        """What was done outside is answered even if its reply cannot be kept; a repeat is told that it is not known, then."""
        if request.command_id is None:
            return
        try:
            async with transaction(self._database, self._wake) as tx:
                await self._keep(tx, request, data)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("reply of a command not kept", command=request.bus_subject(), error=repr(error))

    async def _forget(self, request: Command) -> None:
        """Take a command off the record that was not carried out; if that cannot be, a repeat is told that it is not known."""
        if request.command_id is None:
            return
        records = self._records
        try:
            async with transaction(self._database, self._wake) as tx:
                await tx.execute(delete(records).where(records.command_id == request.command_id))
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("command not forgotten", command=request.bus_subject(), error=repr(error))

    def _lock(self, request: Command) -> int:
        """The number of the advisory lock under which this service carries out a command."""
        assert request.command_id is not None
        digest = hashlib.sha256(self._service.encode() + request.command_id.bytes).digest()
        return int.from_bytes(digest[:8], signed=True)

    def _unexpected(self, command: type[Command], error: Exception) -> Reply:
        if is_outage(error):
            log.warning("command met an outage", command=command.bus_subject(), error=repr(error))
            return Reply(error=ServiceUnavailable(retry_after=5).body)
        log.error("command failed", command=command.bus_subject(), exc_info=error)
        return Reply(error=FlowTaskError().body)


def _read(command: type[C], body: bytes) -> C:
    try:
        return command.model_validate_json(body)
    except ValidationError as error:
        raise ValidationFailed(details=details_of(error.errors(include_input=False))) from error


def _replayed(kept: CommandRecord, within: timedelta) -> Reply:
    """What was answered the first time, if it is known."""
    if kept.reply is not None:
        return Reply(data=kept.reply, replayed=True)
    if utc_now() - kept.created_at < within:
        raise UnderWay(retry_after=1)
    raise OutcomeUnknown


def request_hash(request: Command) -> bytes:
    """What tells a repeat from another request: only the fields that were sent, so that a new optional one changes nothing."""
    return hashlib.sha256(f"{request.bus_subject()}\n{request.model_dump_json(exclude_unset=True)}".encode()).digest()


def without_secrets(request: Command, data: dict[str, Any]) -> dict[str, Any]:
    """The reply as it is kept: what its command conceals is null, and `secretShown` says so."""
    if not request.concealed:
        return data
    fields = request.answer.model_fields
    return {**data, **dict.fromkeys(fields[name].alias or name for name in request.concealed), "secretShown": True}


async def undecoded(message: StreamMessage[Any]) -> StreamMessage[Any]:
    """Hand the message itself to the function: what a stranger sent is parsed where a refusal can be answered."""
    return message


def document(function: Callable[..., Any], command: type[Command]) -> None:
    """Give an answering function the name and the types that AsyncAPI shows for its command."""
    function.__name__ = command.verb.replace("-", "_")
    function.__doc__ = command.__doc__
    body = Parameter("body", Parameter.POSITIONAL_OR_KEYWORD, annotation=command)
    function.__signature__ = Signature([body], return_annotation=command.answer)  # type: ignore[attr-defined]
