"""CPU microseconds of an outgoing HTTP client per keep-alive POST of 1 KB: ours, and aiohttp checking addresses as it connects.

Run: python -m bench hookclient [--requests N] [--rounds N] [--asyncio]. The receiver is another process; the clients take turns.
Both refuse addresses that the policy does not allow at the moment of connecting: ours before it dials, aiohttp's through its
`socket_factory`, which sees every address that it is about to connect to. Both follow no redirects and keep 16 KiB of an answer.
"""

import argparse
import asyncio
import platform
import socket
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any, TypeAlias

import aiohttp
import uvloop
from yarl import URL

from bench.webhooks.receiver import Receiver
from flowtask_webhook_dispatcher.transport import AddressPolicy, Admission, HookClient, parse_url

BODY = b'{"event":"task.completed","data":"' + b"x" * 988 + b'"}'
HEADERS = [
    (b"Content-Type", b"application/json"),
    (b"User-Agent", b"FlowTask-Hooks/1"),
    (b"X-FlowTask-Event", b"task.completed"),
    (b"X-FlowTask-Delivery", b"0198b2a0-7b5c-7d5e-8f00-1234567890ab"),
    (b"X-FlowTask-Signature", b"sha256=" + b"0" * 64),
    (b"webhook-id", b"0198b2a0-7b5c-7d5e-8f00-1234567890ac"),
    (b"webhook-timestamp", b"1760000000"),
    (b"webhook-signature", b"v1," + b"A" * 44),
]
KEPT = 16 * 1024
CONCURRENCY = (1, 16, 100, 512)
POLICY = AddressPolicy([ip_network("127.0.0.0/8")])

Post: TypeAlias = Callable[[], Awaitable[int]]


@asynccontextmanager
async def ours(url: str, concurrency: int) -> AsyncIterator[Post]:
    """The transport of the dispatcher."""
    target = parse_url(url, allow_http=True)
    admission = Admission(POLICY, allow_http=True, ports=[range(target.port, target.port + 1)])
    client = HookClient(admission, max_idle_per_origin=concurrency)

    async def post() -> int:
        return (await client.post(target, HEADERS, BODY, timeout=15)).status

    yield post
    await client.aclose()


def checked_socket(address: Any) -> socket.socket:
    """A socket for an address that aiohttp has resolved and is about to connect to; OSError for one that is not allowed."""
    family, kind, protocol, _, place = address
    if reason := POLICY.refusal(place[0]):
        raise OSError(f"this address is not allowed: {reason}")
    return socket.socket(family, kind, protocol)


@asynccontextmanager
async def with_aiohttp(url: str, concurrency: int) -> AsyncIterator[Post]:
    """What aiohttp does with the same duties, its URL parsed and its headers made beforehand."""
    connector = aiohttp.TCPConnector(socket_factory=checked_socket, limit=concurrency)
    headers = {name.decode(): value.decode() for name, value in HEADERS}
    timeout, where = aiohttp.ClientTimeout(total=15), URL(url)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
    ) as session:

        async def post() -> int:
            async with session.post(where, data=BODY, headers=headers, allow_redirects=False) as answer:
                await answer.content.read(KEPT)
                return answer.status

        yield post


CLIENTS = {"ours": ours, "aiohttp": with_aiohttp}


async def measure(make: Any, url: str, requests: int, concurrency: int) -> tuple[float, float]:
    """Microseconds of CPU for each of so many requests, so many at a time, and requests a second."""
    async with make(url, concurrency) as post:

        async def worker(count: int) -> None:
            for _ in range(count):
                if await post() != 200:
                    raise RuntimeError("the receiver did not answer 200")

        await asyncio.gather(*(worker(5) for _ in range(concurrency)))  # connections open, code warm
        each = max(1, requests // concurrency)
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*(worker(each) for _ in range(concurrency)))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu / (each * concurrency) * 1e6, each * concurrency / wall


def main() -> None:
    """Measure both in turns at each concurrency; print medians and ranges."""
    arguments = argparse.ArgumentParser(prog="python -m bench hookclient", description=__doc__)
    arguments.add_argument("--requests", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--asyncio", action="store_true", help="the standard event loop and not uvloop")
    options = arguments.parse_args()
    run = asyncio.run if options.asyncio else uvloop.run
    print(f"  {platform.platform()}, Python {platform.python_version()}, aiohttp {aiohttp.__version__}", flush=True)
    print(f"  {'':9}{'at a time':>10}{'CPU us':>8}{'(range)':>14}{'req/s':>8}{'x ours':>8}")
    with Receiver(1) as receiver:
        for concurrency in CONCURRENCY:
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in CLIENTS}
            for _ in range(options.rounds):
                for name, make in CLIENTS.items():
                    found[name].append(run(measure(make, receiver.url(0), options.requests, concurrency)))
            cpu = {name: [used for used, _ in each] for name, each in found.items()}
            for name, used in cpu.items():
                rate = statistics.median(rate for _, rate in found[name])
                ratio = statistics.median(used) / statistics.median(cpu["ours"])
                span = f"({min(used):.0f}-{max(used):.0f})"
                print(
                    f"  {name:9}{concurrency:>10}{statistics.median(used):8.1f}{span:>14}{rate:8,.0f}{ratio:8.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
