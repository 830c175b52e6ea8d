"""How far the stream is on record: at or below the floor every message is acknowledged, so its rows can be read."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from flowtask_contracts.topology import Durable
from flowtask_kit import logs
from flowtask_kit.bus.connection import Bus
from flowtask_kit.outages import is_outage

log = logs.get(__name__)

EVERY_SECONDS = 0.2
_PATIENCE, _LITTLE_PATIENCE = 2.0, 0.5


class Floor:
    """The ack floor of a durable, asked of the server when somebody `wants` a higher one, and not more often than five times a second.

    `grown` is called when it has. What is known stays so: while the bus is away what lies below the floor goes on.
    """

    def __init__(self, bus: Bus, durable: Durable, grown: Callable[[], None]) -> None:
        self._bus = bus
        self._stream = durable.stream
        self._consumer = durable.name
        self._grown = grown
        self._wanted = 0
        self._some = asyncio.Event()
        self.known: int | None = None
        """None before it was asked, and after another connection was made, for the stream may be another one."""
        self.doubted = False
        """Whether a message was wanted that the durable was not given: it has forgotten that, or the stream is another one."""

    def want(self, seq: int) -> None:
        """Somebody waits for this message to be below the floor."""
        self._wanted = max(self._wanted, seq)
        self._some.set()

    async def run(self) -> None:
        """Ask for ever; while the bus is away, or refuses, what waits does so for longer."""
        await self._bus.ready.wait()
        self._bus.on_reconnect(self._forget)
        while True:
            await self._some.wait()
            self._some.clear()
            if self._bus.connected:
                try:
                    await self._look()
                except Exception as error:
                    if not is_outage(error):
                        raise
                    log.info("what goes in order waits for the bus", error=repr(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def end(self) -> int | None:
        """The last sequence number of the stream, asked now; None if it cannot be told. Then the floor is not known any more.

        So nobody asks again, and waits for an answer, before the server answers something.
        """
        info = None
        if self._bus.connected:
            try:
                info = await self._ask(f"STREAM.INFO.{self._stream}", _LITTLE_PATIENCE)
            except Exception as error:
                if not is_outage(error):
                    raise
                log.info("the end of the stream cannot be told", error=repr(error))
        if info is None:
            self.known = None
            return None
        return int(info["state"]["last_seq"])

    async def _look(self) -> None:
        wanted, self._wanted = self._wanted, 0
        info = await self._ask(f"CONSUMER.INFO.{self._stream}.{self._consumer}")
        if info is not None:
            floor = int(info["ack_floor"]["stream_seq"])
            self.doubted = wanted > int(info["delivered"]["stream_seq"])
            grown, self.known = floor != self.known, floor
            if grown or self.doubted:
                self._grown()

    def _forget(self) -> None:
        self.known = None

    async def _ask(self, what: str, patience: float = _PATIENCE) -> dict[str, Any] | None:
        """The server's answer; None if it is a refusal."""
        client = self._bus.client
        assert client is not None
        message = await client.request(f"$JS.API.{what}", b"", timeout=patience)
        answer: dict[str, Any] = orjson.loads(message.data)
        if "error" in answer:
            log.warning("it cannot be told how far the stream is on record", asked=what, error=answer["error"])
            return None
        return answer
