"""CPU microseconds of the outgoing HTTP client per keep-alive POST of 1 KB.

Run: uv run python bench/hookclient.py [requests] [--asyncio]. The server is a minimal one in another process.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import time
from ipaddress import ip_network
from multiprocessing.connection import Connection as Pipe

import uvloop

from flowtask_webhook_dispatcher.transport import AddressPolicy, HookClient, Target, parse_url

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
ANSWER = (
    b"HTTP/1.1 204 No Content\r\nServer: bench\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\n\r\n"
)


class Receiver(asyncio.Protocol):
    """Answers 204 to whatever ends with the benchmark's body."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Remember where answers go."""
        self.transport = transport
        self.kept = b""

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self.kept += data
        if self.kept.endswith(BODY):
            self.kept = b""
            self.transport.write(ANSWER)


def serve(pipe: Pipe) -> None:
    """Run the receiver until the other end of the pipe closes; says its port first."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    with contextlib.suppress(EOFError, KeyboardInterrupt):
        uvloop.run(main())


async def measure(target: Target, requests: int, concurrency: int) -> None:
    """Print what so many requests cost this process, so many at a time."""
    client = HookClient(AddressPolicy([ip_network("127.0.0.0/8")]), allow_http=True, max_idle_per_origin=concurrency)

    async def worker(count: int) -> None:
        for _ in range(count):
            await client.post(target, HEADERS, BODY, timeout=15)

    await asyncio.gather(*(worker(5) for _ in range(concurrency)))  # connections open, code warm
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker(requests // concurrency) for _ in range(concurrency)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(
        f"concurrency {concurrency:>4}: {cpu / requests * 1e6:6.1f} CPU us/request {requests / wall:9,.0f} requests/s"
    )
    await client.aclose()


def main() -> None:
    """Measure three times at each concurrency."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("requests", type=int, nargs="?", default=20_000)
    arguments.add_argument("--asyncio", action="store_true", help="the standard event loop and not uvloop")
    options = arguments.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    theirs.close()
    target = parse_url(f"http://127.0.0.1:{ours.recv()}/hooks/flowtask", allow_http=True)
    run = asyncio.run if options.asyncio else uvloop.run
    for concurrency in (1, 100):
        for _ in range(3):
            run(measure(target, options.requests, concurrency))
    ours.close()
    server.join(5)


if __name__ == "__main__":
    main()
