"""The same POSTs by the transport object alone: what is left of a delivery when everything else is taken away.

`alone()` runs this module as a process of its own, on the dispatcher's core; it prints one JSON object.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from uuid import UUID

import uvloop

from flowtask_webhook_dispatcher.signing import SigningKey, signed_headers
from flowtask_webhook_dispatcher.transport import AddressPolicy, Admission, HookClient, parse_url

from . import events

_ID = UUID("0198b2a0-7b5c-7d5e-8f00-1234567890ab")


@dataclass(frozen=True)
class Alone:
    """POSTs a second, and microseconds of the client's CPU for each."""

    per_second: float
    cpu: float


async def alone(ports: Sequence[int], *, each: int, posts: int, core: int) -> Alone:
    """Post so many times, `each` at a time to every port, on this core."""
    arguments = [*("--ports", ",".join(map(str, ports))), *("--each", str(each)), *("--posts", str(posts))]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, *arguments, "--core", str(core)), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the transport alone failed")
    return Alone(**json.loads(said))


async def _measure(options: argparse.Namespace) -> Alone:
    ports = [int(port) for port in options.ports.split(",")]
    body = events.body()
    headers = signed_headers(
        SigningKey.of("whsec_" + "A" * 44),
        event="task.created",
        event_id=_ID,
        delivery_id=_ID,
        timestamp=1_760_000_000,
        body=body,
    )
    policy = AddressPolicy([ip_network("127.0.0.0/8")])
    client = HookClient(Admission(policy, allow_http=True, ports=[range(1, 65536)]))

    async def lane(port: int, count: int) -> None:
        target = parse_url(f"http://127.0.0.1:{port}/hooks/flowtask", allow_http=True)
        for _ in range(count):
            answer = await client.post(target, headers, body, timeout=10)
            if answer.status != 200:
                raise RuntimeError(f"the receiver said {answer.status}")

    async def all_lanes(count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for port in ports:
                for _ in range(options.each):
                    group.create_task(lane(port, count))

    lanes = len(ports) * options.each
    await all_lanes(5)  # connections open, code warm
    gc.collect()
    gc.freeze()  # as a service does before it serves
    count = max(1, options.posts // lanes)
    cpu, wall = time.process_time(), time.perf_counter()
    await all_lanes(count)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await client.aclose()
    return Alone(count * lanes / wall, cpu / (count * lanes) * 1e6)


def main() -> None:
    """Measure once."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--ports", required=True)
    for name in ("--each", "--posts", "--core"):
        arguments.add_argument(name, type=int, required=True)
    options = arguments.parse_args()
    os.sched_setaffinity(0, {options.core})
    print(json.dumps(vars(uvloop.run(_measure(options)))))


if __name__ == "__main__":
    main()
