"""The one connection of a process to NATS; it comes and goes without the process having to."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from flowtask_kit import logs, metrics
from flowtask_kit.cancelling import end
from flowtask_kit.settings import ServiceSettings

log = logs.get(__name__)

Listener = Callable[[Msg], Awaitable[None]]

RECONNECT_SECONDS = 0.2
STOP_SECONDS = 8.0
"""Longer than the deadline of nearly every command, so that those under way are answered before the connection ends."""


class Bus:
    """FastStream's broker, connected in the background for as long as it takes and reconnected for ever.

    Services register answers and consumers on `broker` before `start`. `client` is the raw nats-py connection for
    the two hot loops, or None before the first connection.
    """

    def __init__(self, settings: ServiceSettings, *, service: str) -> None:
        self.broker = NatsBroker(
            settings.nats_url.get_secret_value(),
            name=f"flowtask-{service}",
            inbox_prefix=inbox_prefix(service),
            no_echo=True,  # a wake of our own would have the relay look twice
            max_reconnect_attempts=-1,
            reconnect_time_wait=0,
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            js_options={"timeout": 2.0},
            logger=None,
            apply_types=False,
            graceful_timeout=STOP_SECONDS - 1,
        )
        self.client: Client | None = None
        self.ready = asyncio.Event()
        self._unheard: list[tuple[str, Listener]] = []
        self._reconnected: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def connected(self) -> bool:
        """True while commands and messages can be sent."""
        return self.client is not None and self.client.is_connected

    @property
    def hearing(self) -> bool:
        """True while connected with every subscription in place: what is sent to this process arrives."""
        return self.connected and self.ready.is_set()

    @property
    def away(self) -> bool:
        """True while an established connection is lost: what is sent now would wait in a buffer."""
        return self.client is not None and not self.client.is_connected

    def start(self) -> None:
        """Begin connecting in the background; `ready` is set once subscriptions stand."""
        self._task = asyncio.create_task(self._run(), name="bus")

    async def stop(self) -> None:
        """Finish the handlers under way, drain and close; a connection that is lost is closed as it is."""
        self._stopping = True
        if self._task is not None:
            await end(self._task, again_after=0.5)
        # Gathered, because nats-py can let a CancelledError of its own escape when the connection is lost.
        try:
            async with asyncio.timeout(STOP_SECONDS):
                (failure,) = await asyncio.gather(self.broker.stop(), return_exceptions=True)
        except TimeoutError as late:
            failure = late
        if failure is not None:
            log.warning("bus closed without draining", error=repr(failure))
            if self.client is not None:
                await asyncio.gather(self.client.close(), return_exceptions=True)

    async def subscribe(self, subject: str, listener: Listener) -> None:
        """Hear a core NATS subject on every replica, from the first connection on."""
        if self.client is not None and self.ready.is_set():
            await self.client.subscribe(subject, cb=listener)
        else:
            self._unheard.append((subject, listener))

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Call back after each reconnect: the server has forgotten the pulls that were under way."""
        self._reconnected.append(callback)

    async def publish_if_connected(self, subject: str, payload: bytes = b"") -> bool:
        """Send a core NATS message that may be lost; False when there is no connection now."""
        client = self.client
        if client is None or not client.is_connected:
            return False
        try:
            await client.publish(subject, payload)
        except NatsError:
            return False
        return True

    async def _run(self) -> None:
        delay = 0.1
        while True:
            try:
                self.client = await self._connect()
                await self._start_subscribers()
                while self._unheard:
                    subject, listener = self._unheard[0]
                    await self.client.subscribe(subject, cb=listener)
                    self._unheard.pop(0)
                await self.client.flush(2)  # its ping overtakes what is still buffered
                await self.client.flush(2)  # once this one is answered the server has all subscriptions
            except (NatsError, OSError, TimeoutError) as error:
                log.warning("bus not ready, trying again", error=repr(error), retry_in=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
            else:
                if not self._unheard:
                    self.ready.set()
                    log.info("bus connected")
                    return

    async def _connect(self) -> Client:
        client = await self.broker.connect()
        # FastStream's callback raises what it takes for final (a refused password), which would end reconnecting for ever.
        client._error_cb = self._on_error  # noqa: SLF001
        metrics.BUS_CONNECTED.set(1)
        return client

    async def _start_subscribers(self) -> None:
        """Start each subscriber once, whatever the others meet: starting one again would take its queue away."""
        waiting = [subscriber for subscriber in self.broker.subscribers if not subscriber.running]
        outcomes = await asyncio.gather(*(subscriber.start() for subscriber in waiting), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _on_error(self, error: Exception) -> None:
        if not isinstance(error, OSError):
            log.warning("bus error", error=repr(error))
        if not self.connected:
            await asyncio.sleep(RECONNECT_SECONDS)  # paces reconnecting

    async def _on_disconnect(self) -> None:
        metrics.BUS_CONNECTED.set(0)
        log.log(logging.INFO if self._stopping else logging.WARNING, "bus disconnected")

    async def _on_reconnect(self) -> None:
        metrics.BUS_CONNECTED.set(1)
        log.info("bus reconnected")
        for callback in self._reconnected:
            callback()


def inbox_prefix(service: str) -> str:
    """Where a service hears replies; its permissions let nobody else subscribe there."""
    return f"_INBOX_{service}"


def is_inbox(subject: str) -> bool:
    """True where some service hears replies."""
    return subject.startswith(inbox_prefix(""))
