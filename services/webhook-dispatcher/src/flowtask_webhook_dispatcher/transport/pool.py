"""Idle connections, kept for the next request to the same origin. A pooled connection stays on the address it was checked for."""

import asyncio
from collections import OrderedDict

from .connections import Connection

_SWEEP_SECONDS = 1.0


class Pool:
    """At most `max_idle` idle connections, `max_idle_per_origin` to one origin; each closes when its time is over."""

    def __init__(self, max_idle: int, max_idle_per_origin: int) -> None:
        self._max_idle = max_idle
        self._max_idle_per_origin = max_idle_per_origin
        self._by_origin: dict[str, list[Connection]] = {}
        self._by_age: OrderedDict[Connection, None] = OrderedDict()  # the longest idle first
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._by_age)

    def take(self, origin: str, now: float) -> Connection | None:
        """The connection to this origin that was used last and is still good, or None."""
        stack = self._by_origin.get(origin)
        while stack:
            connection = stack.pop()
            del self._by_age[connection]
            if not stack:
                del self._by_origin[origin]
            if connection.usable and now < connection.expires_at:
                return connection
            connection.abort()
        return None

    def put(self, connection: Connection, expires_at: float) -> None:
        """Keep a connection until then (loop time); the longest idle one makes room for it."""
        stack = self._by_origin.setdefault(connection.origin, [])
        if len(stack) >= self._max_idle_per_origin:
            self._drop(stack[0])
            stack = self._by_origin.setdefault(connection.origin, [])
        elif len(self._by_age) >= self._max_idle:
            self._drop(next(iter(self._by_age)))
            stack = self._by_origin.setdefault(connection.origin, [])
        connection.expires_at = expires_at
        stack.append(connection)
        self._by_age[connection] = None
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._close_expired)

    def forget(self, connection: Connection) -> None:
        """Leave a connection out from now on, if it was here."""
        if connection in self._by_age:
            del self._by_age[connection]
            stack = self._by_origin[connection.origin]
            stack.remove(connection)
            if not stack:
                del self._by_origin[connection.origin]

    def close(self) -> None:
        """Close every idle connection."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in list(self._by_age):
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self.forget(connection)
        connection.abort()

    def _close_expired(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = None
        now = loop.time()
        for connection in [c for c in self._by_age if c.expires_at <= now]:
            self._drop(connection)
        if self._by_age:
            self._sweep = loop.call_later(_SWEEP_SECONDS, self._close_expired)
