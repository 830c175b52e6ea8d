"""A prefetching pull on the intake's durable consumer: the next request is sent before the last one is used up."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from flowtask_contracts.topology import Durable
from flowtask_kit.bus.connection import Bus
from flowtask_kit.bus.hot import HotMessage, subscribe

BATCH = 500
MAX_BYTES = 16 * 1024 * 1024
"""What one request may bring, so that large events do not fill the memory."""
EXPIRES_SECONDS = 5
GATHER_SECONDS = 0.05
"""How long messages of a backlog wait for others, for a batch costs about as much as a message; a single one never waits."""
DOUBT_SECONDS = 5.0
"""So long after a connection was made, messages may come again and be counted as new: a server that was killed knows of acks
only what it had written, which is a tenth of a second old."""

_WITH_DOMAIN = 11
"""Parts of a reply subject, at least, where it also names a domain and an account."""


@dataclass(slots=True, eq=False)
class Pulled:
    """A message of the stream as it came, and what its reply subject says.

    Where it stands, how often it has been delivered, and how many stood behind it that had not been.
    """

    subject: str
    reply: str
    data: bytes
    traceparent: str | None
    stream_seq: int
    delivered: int
    behind: int

    @classmethod
    def of(cls, message: HotMessage) -> "Pulled":
        """Reads `$JS.ACK.[domain.account.]stream.consumer.delivered.sequence...` and no more of it."""
        parts = message.reply.split(".")
        first = 6 if len(parts) >= _WITH_DOMAIN else 4
        return cls(
            message.subject,
            message.reply,
            message.data,
            message.header(b"traceparent") if message.headers else None,
            int(parts[first + 1]),
            int(parts[first]),
            int(parts[first + 4]),
        )


class Pull:
    """Messages of one durable, gathered as they come. `room` says how many more may be asked for.

    Unless there is room for `many` nothing is asked: of a backlog, a few at a time cost a multiple.
    """

    def __init__(self, bus: Bus, durable: Durable, room: Callable[[], int], many: Callable[[], int]) -> None:
        self._bus = bus
        self._room = room
        self._many = many
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{durable.stream}.{durable.name}"
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._arrived: list[Pulled] = []
        self._some = asyncio.Event()
        self._asked = 0
        self._heard_at = 0.0
        self._sure_at = 0.0
        self._clock = asyncio.get_running_loop().time

    async def open(self) -> None:
        """Subscribe to the inbox that the server delivers to; does nothing when that was done before."""
        if self._subscription is not None:
            return
        client = self._client()
        self._inbox = client.new_inbox()
        self._subscription = await subscribe(client, self._inbox, self._receive)
        self._bus.on_reconnect(self._forget)
        self._heard_at = self._clock()
        self._sure_at = self._heard_at + DOUBT_SECONDS

    @property
    def sure(self) -> bool:
        """Whether a message that is said to come for the first time does so."""
        return self._clock() >= self._sure_at

    async def close(self) -> list[Pulled]:
        """Stop hearing; returns what has arrived, or was on its way, and was not taken."""
        if self._subscription is not None and self._bus.connected:
            with suppress(NatsError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._subscription.drain()  # type: ignore[no-untyped-call]
        arrived, self._arrived = self._arrived, []
        return arrived

    def room_grew(self) -> None:
        """There may be room to ask for more: a batch that is waited for asks again."""
        if self._wanted():
            self._some.set()

    async def batch(self, wait: float) -> list[Pulled]:
        """All messages that have arrived; waits up to `wait` seconds for the first, and may return none sooner."""
        self._some.clear()
        await self._ask()
        if not self._arrived:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._some.wait()
        if self._arrived and self._arrived[-1].behind and self._asked > 0 and len(self._arrived) < self._many():
            await asyncio.sleep(GATHER_SECONDS)
        arrived, self._arrived = self._arrived, []
        await self._ask(len(arrived))
        return arrived

    async def _ask(self, handed: int = 0) -> None:
        """Keep the server supplied with requests, as far as there is room beside the messages that are handed out now."""
        now = self._clock()
        if self._asked and now - self._heard_at > EXPIRES_SECONDS + 2:
            self._asked = 0  # the server forgot our requests: it was away
        wanted = self._wanted(handed)
        if not wanted or not self._bus.connected:
            return
        request: dict[str, Any] = {
            "batch": wanted,
            "expires": EXPIRES_SECONDS * 1_000_000_000,
            "max_bytes": MAX_BYTES,
        }
        await self._client().publish(self._subject, orjson.dumps(request), reply=self._inbox)
        if not self._asked:
            self._heard_at = now
        self._asked += wanted

    def _wanted(self, handed: int = 0) -> int:
        """How many more to ask for now; 0 while few would do."""
        many = max(1, min(self._many(), BATCH // 2))
        if self._asked > many:
            return 0
        wanted = min(BATCH, self._room() - self._asked - len(self._arrived) - handed)
        return wanted if wanted >= many else 0

    def _receive(self, message: HotMessage) -> None:
        self._heard_at = self._clock()
        if message.reply:
            self._asked = max(0, self._asked - 1)
            self._arrived.append(Pulled.of(message))
        else:  # it says that a request has ended
            unused = message.header(b"Nats-Pending-Messages")
            self._asked = max(0, self._asked - int(unused)) if unused else 0
        self._some.set()

    def _forget(self) -> None:
        """After a reconnect the server no longer knows what was asked, and perhaps not all that was acknowledged."""
        self._asked = 0
        self._sure_at = self._clock() + DOUBT_SECONDS
        self._some.set()

    def _client(self) -> Client:
        client = self._bus.client
        assert client is not None
        return client
