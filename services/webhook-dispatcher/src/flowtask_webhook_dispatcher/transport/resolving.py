"""From a host name to all of its addresses, without letting one slow name server hold up the others."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes host and port, gives every address as text; raises OSError (socket.gaierror) if there is none."""

_THREADS = 64


class Resolver:
    """The system's resolver in threads of its own; lookups of one name that overlap share one thread and one answer.

    The event loop's own pool has 4 (uvloop) or a few more threads, which as many hanging names would fill.
    """

    def __init__(self, threads: int = _THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")
        self._running: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Every address of the host, in the order the system prefers; raises socket.gaierror."""
        key = (host, port)
        lookup = self._running.get(key)
        if lookup is None:
            lookup = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
            self._running[key] = lookup
            lookup.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(lookup)

    def close(self) -> None:
        """Start no more lookups; those under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _forget(self, key: tuple[str, int], lookup: asyncio.Future[list[str]]) -> None:
        del self._running[key]
        if not lookup.cancelled():
            lookup.exception()  # seen, even if everyone who waited has left


def _look_up(host: str, port: int) -> list[str]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(info[4][0]) for info in infos]
