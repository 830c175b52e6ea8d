"""Telling relays that there is something to publish. A wake may be lost: the relay's poll finds the row a second later."""

import asyncio

from flowtask_kit.bus.connection import Bus


class Wake:
    """A local flag and a broadcast on core NATS: whichever replica holds the relay's lock hears of every commit."""

    def __init__(self, bus: Bus, service: str) -> None:
        self._bus = bus
        self._subject = f"wake.{service}"
        self.flag = asyncio.Event()
        self._listening = False

    async def listen(self) -> None:
        """Hear the other replicas' wakes from now on; a reconnect counts as one, for some may have been missed."""
        if not self._listening:
            self._listening = True
            self._bus.on_reconnect(self.flag.set)
            await self._bus.subscribe(self._subject, self._heard)

    async def send(self) -> None:
        """Set the own flag and tell the others; never fails and never waits for the server."""
        self.flag.set()
        await self._bus.publish_if_connected(self._subject)

    async def _heard(self, _message: object) -> None:
        self.flag.set()
