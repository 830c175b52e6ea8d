"""Acks and nacks on their way back to the stream, in the order they were decided."""

import asyncio

from nats.errors import Error as NatsError

from flowtask_kit import logs
from flowtask_kit.bus.connection import Bus
from flowtask_kit.bus.hot import publish_all

log = logs.get(__name__)


class Replies:
    """Takes answers at once and sends them soon; one that is lost brings its message again, and its rows are read then."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: list[tuple[str, bytes]] = []
        self._some = asyncio.Event()

    def say(self, reply: str, answer: bytes) -> None:
        """Send this soon."""
        self._waiting.append((reply, answer))
        self._some.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            await self.send_all()

    async def send_all(self) -> None:
        """Send what waits."""
        waiting, self._waiting = self._waiting, []
        client = self._bus.client
        if not waiting or client is None or not self._bus.connected:
            return
        try:
            await publish_all(client, waiting)
        except NatsError as error:
            log.warning("messages not answered", number=len(waiting), error=repr(error))
