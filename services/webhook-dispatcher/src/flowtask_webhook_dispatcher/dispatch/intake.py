"""From the stream to the endpoints: match each event, send at once where possible, acknowledge what is on record."""

import asyncio
from collections import deque
from typing import Any
from uuid import UUID

import asyncpg
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from flowtask_kit import logs
from flowtask_kit.bus.connection import Bus
from flowtask_kit.ids import utc_now
from flowtask_kit.outages import is_outage

from ..deliveries.identity import delivery_id
from ..endpoints.directory import Directory, Receiver
from . import metrics, statements
from .lanes import Lanes
from .payload import PublicEvent
from .pull import Pull
from .recorder import Recorder
from .work import Arrival, Deferred, Parcel, Seen, Stage

log = logs.get(__name__)

HOLD_SECONDS = 1.0
"""What is not settled this long after it was pulled becomes a due row, so that nobody holds the stream."""
ACK = b"+ACK"
NACK_NOW = b"-NAK"
NACK_SOON = b'-NAK {"delay": 1000000000}'


class Intake:
    """Reads the durable for as long as the process lives. `stop` hands back what was not sent."""

    def __init__(self, pool: "asyncpg.Pool[Any]", bus: Bus, pull: Pull, directory: Directory, lanes: Lanes) -> None:
        self._pool = pool
        self._bus = bus
        self._pull = pull
        self._directory = directory
        self._lanes = lanes
        self._recorder: Recorder | None = None
        self._in_hand: dict[UUID, Arrival] = {}
        self._held: deque[Arrival] = deque()
        self._answers: deque[tuple[str, bytes]] = deque()
        self._to_answer = asyncio.Event()
        self._stopping = False

    @property
    def in_hand(self) -> int:
        """Messages pulled and not yet acknowledged."""
        return len(self._in_hand)

    def record_with(self, recorder: Recorder) -> None:
        """Where entries go; the recorder in turn tells `settled`."""
        self._recorder = recorder

    async def run(self) -> None:
        """Pull, match and hand on for ever."""
        await self._bus.ready.wait()
        await self._pull.open()
        while not self._stopping:
            messages = await self._pull.batch(1.0)
            if messages:
                await self._take(messages)

    async def hold(self) -> None:
        """Turn what takes longer than a second into due rows, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            while self._held and loop.time() - self._held[0].pulled_at >= HOLD_SECONDS:
                self._let_go(self._held.popleft())
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Take nothing more; nack what was not sent, so that another replica sends it at once."""
        self._stopping = True
        for message in await self._pull.close():
            await self._answer(message.reply, NACK_NOW)
        for arrival in list(self._in_hand.values()):
            waiting = [parcel for parcel in arrival.parcels if parcel.stage is Stage.WAITING]
            for parcel in waiting:
                self._lanes.withdraw(parcel)
                parcel.take_arrival()
            if waiting:
                arrival.hand_back = True
                arrival.open -= len(waiting)
                if arrival.open <= 0:
                    self.settled(arrival)

    def settled(self, arrival: Arrival) -> None:
        """Everything of this message is on record: acknowledge it, or hand it back for the rest."""
        self._in_hand.pop(arrival.event.id, None)
        metrics.IN_HAND.set(len(self._in_hand))
        self._answers.append((arrival.reply, NACK_NOW if arrival.hand_back else ACK))
        self._to_answer.set()

    async def answer(self) -> None:
        """Send acks and nacks in the order they were decided, for ever."""
        while True:
            await self._to_answer.wait()
            self._to_answer.clear()
            await self.answer_all()

    async def answer_all(self) -> None:
        """Send the acks and nacks that wait."""
        while self._answers:
            await self._answer(*self._answers.popleft())

    async def _take(self, messages: list[Msg]) -> None:
        try:
            known = await self._prepare(messages)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("intake waits for the database", messages=len(messages), error=repr(error))
            for message in messages:
                await self._answer(message.reply, NACK_SOON)
            await asyncio.sleep(0.5)
            return
        for message in messages:
            await self._accept(message, known)

    async def _prepare(self, messages: list[Msg]) -> set[tuple[UUID, UUID]]:
        """Bring the directory up to date; for messages that came before, read what is on record of them."""
        again = [_event_id(message) for message in messages if message.metadata.num_delivered > 1]
        async with self._pool.acquire() as connection:
            await self._directory.refresh(connection)
            if not again:
                return set()
            rows = await connection.fetch(statements.KNOWN, [each for each in again if each is not None])
        return {(row["event_id"], row["endpoint_id"]) for row in rows}

    async def _accept(self, message: Msg, known: set[tuple[UUID, UUID]]) -> None:
        assert self._recorder is not None
        try:
            event = PublicEvent.parse(message.data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            await self._set_apart(message, error)
            return
        if event.id in self._in_hand:
            await self._answer(message.reply, NACK_SOON)
            return
        arrival = Arrival(
            reply=message.reply,
            stream_seq=message.metadata.sequence.stream,
            event=event,
            pulled_at=asyncio.get_running_loop().time(),
            traceparent=_traceparent(message),
        )
        receivers = [
            receiver
            for receiver in self._directory.matching(event.workspace_id, event.type)
            if (event.id, receiver.id) not in known
        ]
        self._in_hand[event.id] = arrival
        metrics.IN_HAND.set(len(self._in_hand))
        arrival.open = len(receivers) or 1
        if not receivers:
            self._recorder.put(Seen(arrival))
            return
        for receiver in receivers:
            self._hand_on(arrival, receiver)
        self._held.append(arrival)

    def _hand_on(self, arrival: Arrival, receiver: Receiver) -> None:
        """To the endpoint's lane; to a due row where the endpoint is managed or its lane is full."""
        parcel = Parcel(
            event=arrival.event,
            receiver=receiver,
            delivery_id=delivery_id(arrival.event.id, receiver.id),
            stream_seq=arrival.stream_seq,
            arrival=arrival,
        )
        arrival.parcels.append(parcel)
        if receiver.managed:
            self._defer(parcel, "managed")
        elif not self._lanes.offer(parcel):
            self._defer(parcel, "full", backlog=True)

    def _let_go(self, arrival: Arrival) -> None:
        for parcel in arrival.parcels:
            if parcel.arrival is None:
                continue
            if parcel.stage is Stage.WAITING:
                self._lanes.withdraw(parcel)
                self._defer(parcel, "waiting", backlog=True)
            elif parcel.stage is Stage.SENDING:
                self._defer(parcel, "slow", leased=True)

    def _defer(self, parcel: Parcel, reason: str, *, leased: bool = False, backlog: bool = False) -> None:
        assert self._recorder is not None
        metrics.DEFERRED.labels(reason).inc()
        if leased:
            parcel.claim_no = 1
        else:
            parcel.stage = Stage.ENDED
        self._recorder.put(Deferred(parcel, utc_now(), leased=leased, backlog=backlog, arrival=parcel.take_arrival()))

    async def _set_apart(self, message: Msg, error: Exception) -> None:
        """Keep what is not an event where it can be looked at, and acknowledge it."""
        metrics.UNREADABLE.inc()
        log.error("message is not an event; kept apart", subject=message.subject, error=repr(error))
        async with self._pool.acquire() as connection:
            await connection.execute(
                statements.UNREADABLE,
                message.metadata.sequence.stream,
                message.subject,
                message.data,
                repr(error)[:500],
            )
        await self._answer(message.reply, ACK)

    async def _answer(self, reply: str, answer: bytes) -> None:
        """Ack or nack; an answer that is lost brings the message again, and its rows are read then."""
        client = self._bus.client
        if client is None or not self._bus.connected:
            return
        try:
            await client.publish(reply, answer)
        except NatsError as error:
            log.warning("message not answered", error=repr(error))


def _event_id(message: Msg) -> UUID | None:
    try:
        return PublicEvent.parse(message.data).id
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _traceparent(message: Msg) -> dict[str, str]:
    value = (message.headers or {}).get("traceparent")
    return {"traceparent": value} if value else {}
