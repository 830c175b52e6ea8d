"""Hearing events from a durable consumer: explicit acks, own retries, dead letters; nothing is ever dropped."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import nats.errors
from faststream import AckPolicy
from faststream.nats import JStream, NatsMessage, PullSub
from opentelemetry.trace import SpanKind
from pydantic import ValidationError
from sqlalchemy import Delete, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.errors import NotFound
from flowtask_contracts.events import CloudEvent, Event
from flowtask_contracts.topology import Durable
from flowtask_kit import logs, metrics, traces
from flowtask_kit.bus.answers import undecoded
from flowtask_kit.bus.connection import Bus, inbox_prefix
from flowtask_kit.bus.models import FailedMessage
from flowtask_kit.database.engine import Database
from flowtask_kit.database.transaction import transaction
from flowtask_kit.ids import uuid_of
from flowtask_kit.outages import is_outage
from flowtask_kit.outbox.wake import Wake

log = logs.get(__name__)

Handler = Callable[[AsyncSession, CloudEvent], Awaitable[None]]

BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 25, 60, 120, 300, 600))
"""Waits after each failed try; after the one that follows the last wait, the message is a dead letter."""

OUTAGE_WAIT = timedelta(seconds=1)


class Consumers:
    """Registers handlers of events: `consumers.on(DURABLE, {TaskAssigned: handle})`; they must be idempotent.

    Each message is one transaction. An event type without a handler, or one that is unknown, is acknowledged.
    """

    def __init__(self, bus: Bus, database: Database, wake: Wake, failures: type[FailedMessage]) -> None:
        self._bus = bus
        self._database = database
        self._wake = wake
        self._failures = failures
        self._handlers: dict[str, Mapping[str, Handler]] = {}

    def on(
        self,
        durable: Durable,
        handlers: Mapping[type[Event], Handler],
        *,
        backoff: tuple[timedelta, ...] = BACKOFF,
    ) -> None:
        """Have `handlers` hear a durable that bootstrap has made."""
        by_type = {event.type: handler for event, handler in handlers.items()}
        self._handlers[durable.name] = by_type

        async def hear(message: NatsMessage) -> None:
            await self._hear(durable, by_type, backoff, message)

        hear.__name__ = durable.name.replace("-", "_")
        self._bus.broker.subscriber(
            durable.filters[0] if len(durable.filters) == 1 else durable.stream.lower() + ".>",
            durable=durable.name,
            stream=JStream(durable.stream, declare=False),
            pull_sub=PullSub(batch_size=1, timeout=2.0),  # a batch that is not full may wait for its timeout
            inbox_prefix=f"{inbox_prefix(durable.service)}.".encode(),
            ack_policy=AckPolicy.MANUAL,
            decoder=undecoded,
            title=durable.name,
        )(hear)

    async def dead(self, *, consumer: str | None = None, limit: int = 100) -> Sequence[FailedMessage]:
        """Dead letters, of one consumer or of all, the oldest first."""
        failures = self._failures
        letters = select(failures).where(failures.dead_at.is_not(None)).order_by(failures.dead_at, failures.message_id)
        if consumer is not None:
            letters = letters.where(failures.consumer == consumer)
        async with transaction(self._database, self._wake) as tx:
            return (await tx.scalars(letters.limit(limit))).all()

    async def retry_dead(self, consumer: str, identity: UUID) -> None:
        """Handle a dead letter once more; in the same transaction its row goes.

        Raises NotFound when there is none, or somebody else has just retried it, and whatever its handler raises: then
        the row stays as it was.
        """
        failures = self._failures
        async with transaction(self._database, self._wake) as tx:
            letter = await tx.scalar(
                select(failures)
                .where(failures.consumer == consumer, failures.message_id == identity, failures.dead_at.is_not(None))
                .with_for_update()
            )
            if letter is None or consumer not in self._handlers:
                raise NotFound("Dead letter not found")
            with traces.tracer().start_as_current_span(f"retry {consumer}", context=traces.extract(letter.headers)):
                event = CloudEvent.model_validate_json(letter.payload)
                handler = self._handlers[consumer].get(event.type)
                if handler is not None:
                    await handler(tx, event)
            await tx.execute(self._forget(consumer, identity))

    async def _hear(
        self, durable: Durable, handlers: Mapping[str, Handler], backoff: tuple[timedelta, ...], message: NatsMessage
    ) -> None:
        with traces.tracer().start_as_current_span(
            f"hear {durable.name}", context=traces.extract(message.headers), kind=SpanKind.CONSUMER
        ):
            try:
                outcome = await self._handle(durable, handlers, message)
            except Exception as error:  # noqa: BLE001 - every failure has its place: an outage waits, a fault counts
                outcome = await self._failed(durable, backoff, message, error)
        metrics.MESSAGES_CONSUMED.labels(durable.name, outcome).inc()

    async def _handle(self, durable: Durable, handlers: Mapping[str, Handler], message: NatsMessage) -> str:
        event = CloudEvent.model_validate_json(message.body)
        handler = handlers.get(event.type)
        if handler is not None:
            async with transaction(self._database, self._wake) as tx:
                await handler(tx, event)
                if message.raw_message.metadata.num_delivered > 1:
                    await tx.execute(self._forget(durable.name, message_id(message, event)))
        await message.ack()
        return "done" if handler else "ignored"

    async def _failed(
        self, durable: Durable, backoff: tuple[timedelta, ...], message: NatsMessage, error: Exception
    ) -> str:
        if is_outage(error):
            log.warning("message waits for an outage to end", consumer=durable.name, error=repr(error))
            return await self._nack(message, OUTAGE_WAIT, "outage")
        log.error("message failed", consumer=durable.name, subject=message.raw_message.subject, exc_info=error)
        try:
            tries = await self._count(durable, message, error, limit=len(backoff) + 1)
        except Exception as outage:  # noqa: BLE001 - without a database nothing can be counted: try again later
            log.warning("failure not counted", consumer=durable.name, error=repr(outage))
            return await self._nack(message, OUTAGE_WAIT, "outage")
        if tries <= len(backoff):
            return await self._nack(message, backoff[tries - 1], "failed")
        log.error("message is a dead letter", consumer=durable.name, subject=message.raw_message.subject)
        await message.ack()
        return "dead"

    async def _nack(self, message: NatsMessage, wait: timedelta, outcome: str) -> str:
        try:
            await message.nack(delay=wait.total_seconds())
        except nats.errors.Error as error:
            log.debug("not nacked; the ack wait brings it back", error=repr(error))
        return outcome

    async def _count(self, durable: Durable, message: NatsMessage, error: Exception, *, limit: int) -> int:
        """Add a try to the message's record and mark it dead at the limit; returns the tries so far."""
        failures, raw = self._failures, message.raw_message
        try:
            event: CloudEvent | None = CloudEvent.model_validate_json(message.body)
        except ValidationError:
            event = None
        statement = insert(failures).values(
            consumer=durable.name,
            message_id=message_id(message, event),
            subject=raw.subject,
            headers=dict(message.headers),
            payload=message.body,
            stream_seq=raw.metadata.sequence.stream,
            tries=1,
            last_error=_storable(f"{type(error).__name__}: {error}"),
            dead_at=func.now() if limit <= 1 else None,
        )
        async with transaction(self._database, self._wake) as tx:
            tries = await tx.scalar(
                statement.on_conflict_do_update(
                    index_elements=["consumer", "message_id"],
                    set_={
                        "tries": failures.tries + 1,
                        "last_error": statement.excluded.last_error,
                        "dead_at": case((failures.tries + 1 >= limit, func.now()), else_=None),
                    },
                ).returning(failures.tries)
            )
        return tries or 1

    def _forget(self, consumer: str, identity: UUID) -> Delete:
        failures = self._failures
        return delete(failures).where(failures.consumer == consumer, failures.message_id == identity)


def _storable(text: str) -> str:
    """Text that PostgreSQL takes, whatever an error says."""
    return text[:2000].replace("\x00", "").encode("utf-8", "backslashreplace").decode()


def message_id(message: NatsMessage, event: CloudEvent | None) -> UUID:
    """The event's id; for what is not an event, an id made of its place in the stream."""
    if event is not None:
        return event.id
    sequence = message.raw_message.metadata.sequence.stream
    return uuid_of(sequence.to_bytes(16))
