"""The one narrow door between sending and the network."""

from collections.abc import Iterable
from typing import Protocol

from .responses import Answer
from .urls import Target


class Transport(Protocol):
    """What makes attempts; `HookClient` is the one there is."""

    async def post(
        self,
        target: Target,
        headers: Iterable[tuple[bytes, bytes]],
        body: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  the deadline of a whole attempt is the transport's to keep
        fresh: bool = False,
    ) -> Answer:
        """Send one POST; any status is an answer, everything else a `TransportError`, both within `timeout` seconds.

        A `fresh` one is sent once at most: on a connection of its own, none that was idle.
        """
        ...

    async def aclose(self) -> None:
        """End what is under way and leave no connection open."""
        ...
