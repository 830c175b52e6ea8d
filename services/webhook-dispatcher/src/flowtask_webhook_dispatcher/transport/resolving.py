"""From a host name to all of its addresses, without letting one slow name server hold up the others."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes host and port, gives every address as text; raises OSError (socket.gaierror) if there is none."""

_THREADS = 64


def system_addresses(host: str, port: int) -> list[str]:
    """Every address of the host, in the order the system prefers; blocks, and raises socket.gaierror."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(info[4][0]) for info in infos]


class Resolver:
    """The system's resolver in threads of its own; lookups of one name that overlap share one thread and one answer.

    The event loop's own pool has 4 (uvloop) or a few more threads, which as many hanging names would fill. A lookup that
    nobody waits for any more is dropped before it begins, so that hanging names leave no queue behind.
    """

    def __init__(self, threads: int = _THREADS, look_up: Callable[[str, int], list[str]] = system_addresses) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")
        self._look_up = look_up
        self._running: dict[tuple[str, int], _Lookup] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Every address of the host, in the order the system prefers; raises socket.gaierror."""
        key = (host, port)
        lookup = self._running.get(key)
        if lookup is None:
            lookup = self._running[key] = _Lookup(self._threads.submit(self._look_up, host, port))
            lookup.answer.add_done_callback(lambda done: self._forget(key, done))
        lookup.waiting += 1
        try:
            return await asyncio.shield(lookup.answer)
        finally:
            lookup.waiting -= 1
            if not lookup.waiting:
                lookup.job.cancel()  # has no effect once a thread has begun it

    def close(self) -> None:
        """Start no more lookups; those under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _forget(self, key: tuple[str, int], answer: asyncio.Future[list[str]]) -> None:
        del self._running[key]
        if not answer.cancelled():
            answer.exception()  # seen, even if everyone who waited has left


class _Lookup:
    __slots__ = ("answer", "job", "waiting")

    def __init__(self, job: Future[list[str]]) -> None:
        self.job = job
        self.answer = asyncio.wrap_future(job)
        self.waiting = 0
