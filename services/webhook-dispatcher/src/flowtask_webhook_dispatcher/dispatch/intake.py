"""From the stream to the endpoints: match each event, send at once where possible, acknowledge what is on record."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from flowtask_contracts.commands.webhooks import Circuit
from flowtask_contracts.topology import DISPATCHER_INTAKE
from flowtask_kit import logs
from flowtask_kit.bus.connection import Bus
from flowtask_kit.ids import utc_now
from flowtask_kit.outages import is_outage

from ..deliveries.identity import delivery_id
from ..endpoints.directory import Directory, Receiver
from . import metrics, statements
from .guard import Guard
from .lanes import Lanes
from .load import Load
from .payload import NotAnEvent, PublicEvent
from .places import place_of
from .pull import Pull, Pulled
from .recorder import Recorder
from .replies import Replies
from .window import MOST_MESSAGES, Window
from .work import ACK, AGAIN_NOW, AGAIN_SOON, Arrival, Deferred, Parcel, Seen, Shelved, Stage

log = logs.get(__name__)

HOLD_SECONDS = 1.0
"""What is not settled this long after it was pulled becomes a due row, so that nobody holds the stream."""

Known = set[tuple[UUID, UUID | None]]
"""Deliveries (event, endpoint) that are on record; (event, None) where the event was erased."""


class Intake:
    """Reads the durable for as long as the process lives. `stop` takes nothing more and hands back what was not taken."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        bus: Bus,
        directory: Directory,
        lanes: Lanes,
        guard: Guard,
        replies: Replies,
        load: Load,
    ) -> None:
        self._guard = guard
        self._pool = pool
        self._bus = bus
        self._directory = directory
        self._lanes = lanes
        self._replies = replies
        self._load = load
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._settled = 0
        """Deliveries, since it was last looked at."""
        self._window = Window(self._clock)
        self._pull = Pull(bus, DISPATCHER_INTAKE, self._room, lambda: self._window.messages() // 2)
        self._recorder: Recorder | None = None
        self._in_hand: dict[UUID, Arrival] = {}
        self._held: deque[Arrival] = deque()
        self._busy = asyncio.Lock()
        self._stopping = False
        metrics.IN_HAND.set_function(lambda: len(self._in_hand))

    def record_with(self, recorder: Recorder) -> None:
        """Where entries go; the recorder in turn tells `settled`."""
        self._recorder = recorder

    async def run(self) -> None:
        """Pull, match and hand on until stop."""
        await self._bus.ready.wait()
        await self._pull.open()
        while not self._stopping:
            messages = await self._pull.batch(1.0)
            if messages:
                async with self._busy:
                    await self._take(messages)

    async def hold(self) -> None:
        """Turn what takes longer than a second into due rows, for ever."""
        while True:
            self._load.look()
            while self._held and self._clock() - self._held[0].pulled_at >= HOLD_SECONDS:
                self._let_go(self._held.popleft())
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Take nothing more, and nack what was not taken, so that another replica sends it at once."""
        self._stopping = True
        for message in await self._pull.close():
            self._replies.say(message.reply, AGAIN_NOW)
        async with self._busy:
            return

    def hand_back(self, parcel: Parcel) -> None:
        """Leave a parcel that was not sent to whoever gets its message next."""
        arrival = parcel.take_arrival()
        if arrival is not None:
            arrival.answer = AGAIN_NOW
            arrival.open -= 1
            if arrival.open <= 0:
                self.settled(arrival)

    def settled(self, arrival: Arrival) -> None:
        """Everything of this message is on record: acknowledge it, or have the rest of it come again."""
        self._in_hand.pop(arrival.event.id, None)
        while self._held and self._held[0].open <= 0:
            self._held.popleft()
        self._replies.say(arrival.reply, arrival.answer)
        if not self._settled:
            self._loop.call_soon(self._settled_some)
        self._settled += len(arrival.parcels) or 1

    def _settled_some(self) -> None:
        """Once for all messages that were settled together."""
        deliveries, self._settled = self._settled, 0
        self._window.settled(deliveries)
        self._pull.room_grew()

    async def _take(self, messages: Sequence[Pulled]) -> None:
        """Accept what can be read, keep the rest apart; nothing is accepted if the database cannot be read."""
        self._load.heard()
        read, unreadable = _read(messages)
        still_ours = {event.id for _, event in read if event.id in self._in_hand}
        try:
            known = await self._prepare(read, unreadable)
        except Exception as error:
            for message in messages:
                self._replies.say(message.reply, AGAIN_SOON)
            if not is_outage(error):
                raise
            log.warning("intake waits for the database", messages=len(messages), error=repr(error))
            await asyncio.sleep(0.5)
            return
        for message, _ in unreadable:
            self._replies.say(message.reply, ACK)
        for message, event in read:
            if self._stopping:
                self._replies.say(message.reply, AGAIN_NOW)
            elif event.id in self._in_hand:
                self._in_hand[event.id].reply = message.reply
            elif (event.id, None) in known or self._directory.is_erased(event.workspace_id):
                self._replies.say(message.reply, ACK)
            elif event.id not in still_ours:  # else its rows were written, and its answer sent, while others were read
                self._accept(message, event, known)

    async def _prepare(
        self, read: Sequence[tuple[Pulled, PublicEvent]], unreadable: Sequence[tuple[Pulled, NotAnEvent]]
    ) -> Known:
        """Bring the directory up to date; for messages that came before, or may have, read what is on record of them."""
        sure = self._pull.sure
        again = [event.id for message, event in read if message.delivered > 1 or not sure]
        async with self._pool.acquire() as connection:
            await self._directory.refresh(connection)
            if unreadable:
                await _set_apart(connection, unreadable)
            rows = await connection.fetch(statements.KNOWN, again) if again else []
        return {(row["event_id"], row["endpoint_id"]) for row in rows}

    def _accept(self, message: Pulled, event: PublicEvent, known: Known) -> None:
        assert self._recorder is not None
        arrival = Arrival(
            reply=message.reply,
            stream_seq=message.stream_seq,
            event=event,
            pulled_at=self._clock(),
            traceparent=message.traceparent,
        )
        receivers: Sequence[Receiver] = self._directory.matching(event.workspace_id, event.type)
        if self._directory.filters(event.workspace_id):
            receivers = [each for each in receivers if each.filter is None or each.filter(event.document)]
        if event.type.startswith(
            "webhook."
        ):  # of itself it hears nothing: what failed to arrive would be told to it again
            receivers = [each for each in receivers if str(each.id) != event.resource_id]
        if known:
            receivers = [receiver for receiver in receivers if (event.id, receiver.id) not in known]
        self._in_hand[event.id] = arrival
        arrival.open = len(receivers) or 1
        self._window.taken(arrival.open)
        if not receivers:
            self._recorder.put(Seen(arrival))
            return
        for receiver in receivers:
            self._hand_on(arrival, receiver)
        self._held.append(arrival)

    def _hand_on(self, arrival: Arrival, receiver: Receiver) -> None:
        """To the endpoint's lane; to a due row where the endpoint is managed or its lane is full; on the shelf where it is polled."""
        parcel = Parcel(
            event=arrival.event,
            receiver=receiver,
            delivery_id=delivery_id(arrival.event.id, receiver.id),
            stream_seq=arrival.stream_seq,
            arrival=arrival,
        )
        arrival.parcels.append(parcel)
        if receiver.policy.ordered:
            parcel.place = place_of(receiver.policy.ordering, arrival.event)
        if receiver.polled:
            self._shelve(parcel)
        elif not self._guard.straight(receiver):
            self._defer(parcel, "managed", backlog=self._guard.circuit(receiver, utc_now()) is not Circuit.CLOSED)
        elif not self._lanes.offer(parcel):
            self._defer(parcel, "full", backlog=True)
        elif receiver.key is not None:
            parcel.prepared(receiver)  # for many in a row it costs half as much as between two posts

    def _shelve(self, parcel: Parcel) -> None:
        assert self._recorder is not None
        parcel.stage = Stage.ENDED
        self._recorder.put(Shelved(parcel, parcel.take_arrival()))

    def _let_go(self, arrival: Arrival) -> None:
        assert self._recorder is not None
        for parcel in arrival.parcels:
            if parcel.arrival is None:
                continue
            if parcel.stage is Stage.WAITING:
                self._lanes.withdraw(parcel)
                # While nothing is recorded nothing is sent, and that is not the endpoint's doing; nor is our being busy.
                self._defer(parcel, "waiting", backlog=self._recorder.healthy.is_set() and not self._load.short)
            elif parcel.stage is Stage.SENDING:
                self._defer(parcel, "slow", leased=True)

    def _room(self) -> int:
        """How many more messages may be pulled."""
        assert self._recorder is not None
        deliveries = self._lanes.in_hand + self._recorder.waiting
        return min(self._window.messages(deliveries), MOST_MESSAGES - len(self._in_hand))

    def _defer(self, parcel: Parcel, reason: str, *, leased: bool = False, backlog: bool = False) -> None:
        assert self._recorder is not None
        metrics.DEFERRED.labels(reason).inc()
        if leased:
            parcel.claim_no = 1
        else:
            parcel.stage = Stage.ENDED
        self._recorder.put(Deferred(parcel, utc_now(), leased=leased, backlog=backlog, arrival=parcel.take_arrival()))


def _read(messages: Sequence[Pulled]) -> tuple[list[tuple[Pulled, PublicEvent]], list[tuple[Pulled, NotAnEvent]]]:
    """The messages that are events, and those that are not."""
    read, unreadable = [], []
    for message in messages:
        try:
            read.append((message, PublicEvent.parse(message.data)))
        except NotAnEvent as error:
            unreadable.append((message, error))
    return read, unreadable


async def _set_apart(connection: Any, unreadable: Sequence[tuple[Pulled, NotAnEvent]]) -> None:
    """Keep what is not an event where it can be looked at."""
    metrics.UNREADABLE.inc(len(unreadable))
    for message, error in unreadable:
        log.error("message is not an event; kept apart", subject=message.subject, error=str(error))
    await connection.execute(
        statements.UNREADABLE,
        [message.stream_seq for message, _ in unreadable],
        [message.subject for message, _ in unreadable],
        [message.data for message, _ in unreadable],
        [str(error)[:500] for _, error in unreadable],
    )
