"""What a request costs the API on one core, beside a bare FastAPI `ping` in the same run: `make bench-api`.

The API is the real one with all its features on, over real PostgreSQL and NATS as durable as in production; it and the
ping have core 0, everything else has the other cores. Rounds alternate between all of them; what is printed is the
median of the rounds and, for the CPU, their range. The bars are ratios of CPU to the ping's.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import uvloop

from flowtask_local.ports import free_port
from flowtask_local.services import AT_FULL_SPEED, SERVICES, ServiceProcess
from flowtask_local.stack import Stack

from .load import Load, load, request

TASKS = 2000
BARS = {"POST task": 14.0, "GET one": 9.0}


@dataclass(frozen=True)
class Case:
    """One kind of request; its CPU less that of `without` is what it adds."""

    name: str
    server: str
    requests: list[bytes]
    without: str | None = None
    status: int = 200


def cases(key: str, task_ids: list[str]) -> list[Case]:
    """Everything that is measured, from the least to the most."""
    post = [
        request("POST", "/api/v1/tasks", key=key, body=b'{"title": "task %d", "priority": "HIGH"}' % number)
        for number in range(500)
    ]
    kept = [
        request(
            "POST",
            "/api/v1/tasks",
            key=key,
            body=b'{"title": "t"}',
            headers=f"Idempotency-Key: {os.urandom(8).hex()}\r\n",
        )
        for _ in range(60_000)
    ]
    return [
        Case("ping (bare FastAPI)", "ping", [request("GET", "/ping")]),
        Case("request shell", "api", [request("GET", "/layers/shell")], "ping (bare FastAPI)"),
        Case("+ key, limits", "api", [request("GET", "/api/v1/layers/caller", key=key)], "request shell"),
        Case("+ transaction", "api", [request("GET", "/api/v1/layers/transaction", key=key)], "+ key, limits"),
        Case(
            "GET one",
            "api",
            [request("GET", f"/api/v1/tasks/{task_id}", key=key) for task_id in task_ids],
            "+ key, limits",
        ),
        Case("GET list of 20", "api", [request("GET", "/api/v1/tasks?status=TODO", key=key)], "+ key, limits"),
        Case("POST task", "api", post, "+ transaction", status=201),
        Case("POST task with Idempotency-Key", "api", kept, "POST task", status=201),
    ]


async def measure(
    ports: Mapping[str, ServiceProcess], key: str, task_ids: list[str], options: argparse.Namespace
) -> bool:
    """Load everything in turns and print it; False when a bar is not met."""
    wanted = cases(key, task_ids)
    results: dict[str, list[Load]] = {case.name: [] for case in wanted}
    for _ in range(options.rounds):
        for case in wanted:
            server = ports[case.server]
            found = await load(server.port, server.pid or 0, case.requests, status=case.status, seconds=options.seconds)
            results[case.name].append(found)
    cpu = {name: statistics.median(each.cpu for each in found) for name, found in results.items()}
    ping = cpu[wanted[0].name]
    print(f"  {'':32}{'req/s':>8}{'CPU us':>8}{'(range)':>14}{'x ping':>8}{'adds us':>9}")
    for case in wanted:
        found = results[case.name]
        spread = f"({min(each.cpu for each in found):.0f}-{max(each.cpu for each in found):.0f})"
        adds = f"{cpu[case.name] - cpu[case.without]:9.0f}" if case.without else ""
        rate = statistics.median(each.per_second for each in found)
        print(f"  {case.name:32}{rate:8.0f}{cpu[case.name]:8.0f}{spread:>14}{cpu[case.name] / ping:8.1f}{adds}")
    missed = {name: cpu[name] / ping for name, most in BARS.items() if cpu[name] / ping > most}
    for name, most in BARS.items():
        print(f"  bar: {name} {cpu[name] / ping:.1f}x of at most {most:.0f}x: {'missed' if name in missed else 'met'}")
    return not missed


def task_ids(url: str, key: str) -> list[str]:
    """Tasks to read, made over HTTP."""
    with httpx2.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}) as client:
        project = client.post("/projects", json={"name": "Bench"}).raise_for_status().json()["data"]["id"]
        made = [
            client.post("/tasks", json={"title": f"Task {n}", "projectId": project, "description": "x" * 200})
            for n in range(TASKS)
        ]
    return [str(answer.raise_for_status().json()["data"]["id"]) for answer in made]


def serving(stack: Stack, what: str) -> ServiceProcess:
    """A server of `bench.api_server` on core 0."""
    port = free_port()
    return ServiceProcess(
        what,
        [sys.executable, "-m", "bench.api_server", what],
        env={**stack.environment("api"), "FLOWTASK_PORT": str(port), "PATH": os.environ["PATH"]},
        port=port,
        cwd=Path.cwd(),
        log_path=stack.home.log(what),
    )


def main() -> None:
    """Start what is needed, measure, print; ends with 1 when a bar is not met."""
    parser = argparse.ArgumentParser(prog="bench api")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each case in each round")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    api_only = [spec for spec in SERVICES if spec.name == "api"]
    with (
        tempfile.TemporaryDirectory(prefix="flowtask-bench-") as folder,
        Stack(Path(folder) / "home", services=api_only, extra_env=AT_FULL_SPEED) as stack,
    ):
        os.sched_setaffinity(0, set(cores[1:]) or set(cores))
        stack.start_servers()
        stack.bootstrap()
        stack.migrate()
        key = stack.seed()["apiKey"]
        with serving(stack, "ping") as ping, serving(stack, "api") as api:
            for server in (ping, api):
                server.start()
            api.wait_ready()
            for server in (ping, api):
                os.sched_setaffinity(server.pid or 0, {cores[0]})
            print(f"  {platform.platform()}, {len(cores)} cores, Python {platform.python_version()}", flush=True)
            ids = task_ids(api.url, key)
            met = uvloop.run(measure({"ping": ping, "api": api}, key, ids, options))
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    if sys.platform != "linux":
        raise SystemExit("this measurement reads /proc and needs Linux")
    main()
