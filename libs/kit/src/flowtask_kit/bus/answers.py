"""Answering other services' commands: each in one transaction, concurrently, and a repeat like the first time."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from inspect import Parameter, Signature
from typing import Any, TypeVar

from faststream.message import StreamMessage
from faststream.nats import NatsMessage
from opentelemetry.trace import SpanKind
from pydantic import ValidationError
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.base import Contract
from flowtask_contracts.commands import Command, Reply, WorkspaceCommand
from flowtask_contracts.errors import FlowTaskError, ServiceUnavailable, ValidationFailed
from flowtask_kit import logs, metrics, traces
from flowtask_kit.bus.connection import Bus, is_inbox
from flowtask_kit.bus.errors import KeyReused, UnderWay
from flowtask_kit.bus.models import CommandRecord
from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.outages import is_outage
from flowtask_kit.outbox.wake import Wake
from flowtask_kit.validation import details_of

log = logs.get(__name__)

C = TypeVar("C", bound=Command)
P = TypeVar("P")

Answering = Callable[[AsyncSession, C], Awaitable[Contract]]
Preparing = Callable[[C], Awaitable[Answering[C]]]

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

        async def prepare(_request: C) -> Answering[C]:
            return function

        self._subscribe(command, prepare)

    def to_prepared(
        self,
        command: type[C],
        find_out: Callable[[C], Awaitable[P]],
        function: Callable[[AsyncSession, C, P], Awaitable[Contract]],
    ) -> None:
        """Like `to`, for a command about which somebody else has to be asked: `find_out` does that before the transaction.

        What it finds goes to `function`, which alone decides: a repeat gets the first answer, whatever is found now.
        """

        async def prepare(request: C) -> Answering[C]:
            found = await find_out(request)
            return lambda tx, request: function(tx, request, found)

        self._subscribe(command, prepare)

    def _subscribe(self, command: type[C], prepare: Preparing[C]) -> None:
        async def answer(message: NatsMessage) -> bytes:
            if message.reply_to and not is_inbox(message.reply_to):  # the bus would take our answer for a word of ours
                log.error("command wants its answer said elsewhere", command=command.bus_subject())
                message.reply_to = ""
                return b""
            reply = await self._answer(command, prepare, message)
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

    async def _answer(self, command: type[C], prepare: Preparing[C], message: NatsMessage) -> Reply:
        begun = time.perf_counter()
        with traces.tracer().start_as_current_span(
            command.bus_subject(), context=traces.extract(message.headers), kind=SpanKind.SERVER
        ):
            try:
                reply = await self._perform(command, prepare, message.body)
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

    async def _perform(self, command: type[C], prepare: Preparing[C], body: bytes) -> Reply:
        try:
            request = command.model_validate_json(body)
        except ValidationError as error:
            raise ValidationFailed(details=details_of(error.errors(include_input=False))) from error
        function = await prepare(request)
        async with transaction(self._database, self._wake) as tx:
            if not command.changes or request.command_id is None:
                return Reply(data=(await function(tx, request)).model_dump(mode="json", by_alias=True))
            return await self._once(tx, request, function)

    async def _once(self, tx: AsyncSession, request: C, function: Answering[C]) -> Reply:
        """Do it and keep the reply with its id, in the same transaction; answer a repeat with what was kept.

        UnderWay while the first is being carried out: a repeat waits for nothing and holds no connection. The lock is tried in
        a statement of its own, before the one that looks: that one sees all that was committed under it.
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
        if first is None:
            kept = (await tx.scalars(select(records).where(records.command_id == request.command_id))).one()
            if kept.request_hash != digest:
                raise KeyReused
            return Reply(data=kept.reply, replayed=True)
        data = (await function(tx, request)).model_dump(mode="json", by_alias=True)
        await tx.execute(
            update(records).where(records.command_id == request.command_id).values(reply=without_secrets(request, data))
        )
        return Reply(data=data)

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
