"""Dispatchers, NATS and PostgreSQL killed at random under load, and the accounts afterwards: nothing lost, repeats identical.

Run: python -m bench kills [--rounds 20] [--tasks 2500] [--seed N]. Each task goes to four endpoints: one that is quick, one
that takes its time, one that fails now and then, and one that is away at first. Two dispatchers run; each round kills one of
them, both, NATS or PostgreSQL by SIGKILL and starts it again a moment later. Ends with 1 when anything was lost or altered.
"""

import argparse
import asyncio
import os
import platform
import random
import tempfile
import time
from pathlib import Path

import httpx2
from tests.e2e.outages import caller
from tests.e2e.receivers import Receiver, verifies_as_plain_hmac

from flowtask_local.services import AT_FULL_SPEED
from flowtask_local.stack import Stack

PATHS = ("/quick", "/slow", "/flaky", "/late")
AWAY = 0.3
"""The part of the rounds in which the last of them answers nothing but 503."""
PATIENT = {"retryPolicy": "custom", "retrySchedule": [1, 2, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]}
TARGETS = ("dispatcher 1", "dispatcher 2", "both dispatchers", "NATS", "PostgreSQL")


class Answers:
    """How the endpoints behave."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.away = True

    def __call__(self, path: str, _headers: dict[str, str], _body: bytes) -> "int | asyncio.Future[int]":
        """The status, for the slow one after a while."""
        if path == "/late" and self.away:
            return 503
        if path == "/flaky" and self._random.random() < 0.3:
            return self._random.choice((500, 503, 429))
        if path == "/slow":
            return asyncio.ensure_future(asyncio.sleep(self._random.uniform(0.05, 1.5), 200))
        return 200


async def write(client: httpx2.AsyncClient, accepted: set[str], number: int) -> None:
    """Create a task; again and again while a server is away."""
    while True:
        try:
            answer = await client.post("/tasks", json={"title": f"task {number}"})
        except httpx2.TransportError:
            await asyncio.sleep(0.1)
            continue
        if answer.status_code == 201:
            accepted.add(answer.json()["data"]["id"])
            return
        if answer.status_code != 503:
            raise RuntimeError(answer.text)
        await asyncio.sleep(0.1)


async def kill(stack: Stack, target: str, chance: random.Random) -> None:
    """SIGKILL, a moment of absence, and a new beginning."""
    dispatchers = [stack.service("webhook-dispatcher", replica) for replica in (0, 1)]
    victims = {
        "dispatcher 1": dispatchers[:1],
        "dispatcher 2": dispatchers[1:],
        "both dispatchers": dispatchers,
        "NATS": [stack.nats],
        "PostgreSQL": [stack.postgres],
    }[target]
    for victim in victims:
        await asyncio.to_thread(victim.kill)
    await asyncio.sleep(chance.uniform(0.05, 2.0))
    for victim in victims:
        await asyncio.to_thread(victim.start)
    for victim in victims:
        if victim in dispatchers:
            await asyncio.to_thread(victim.wait_ready)


async def rounds(stack: Stack, client: httpx2.AsyncClient, options: argparse.Namespace, answers: Answers) -> set[str]:
    """Write, and kill meanwhile; the ids of the tasks that were accepted."""
    chance, accepted = random.Random(options.seed), set[str]()
    each = options.tasks // options.rounds
    for number in range(options.rounds):
        answers.away = number < AWAY * options.rounds
        target = chance.choice(TARGETS)
        begun = time.monotonic()

        async def steadily(first: int) -> None:
            async with asyncio.TaskGroup() as group:
                for one in range(first, first + each):
                    group.create_task(write(client, accepted, one))
                    await asyncio.sleep(4 / each)

        writing = asyncio.create_task(steadily(number * each))
        await asyncio.sleep(chance.uniform(0.2, 2.5))
        await kill(stack, target, chance)
        await writing
        print(f"  round {number + 1:2}: {target:17} {time.monotonic() - begun:5.1f} s", flush=True)
    return accepted


async def arrived(receiver: Receiver, wanted: int, seconds: float) -> dict[str, set[str]]:
    """The tasks that each endpoint has accepted, once all have or time is up."""
    end = time.monotonic() + seconds
    while True:
        found: dict[str, set[str]] = {path: set() for path in PATHS}
        for request in receiver.requests:
            if request.status == 200:
                found[request.path].add(request.document["data"]["id"])
        if all(len(each) >= wanted for each in found.values()) or time.monotonic() > end:
            return found
        await asyncio.sleep(1)


def altered(receiver: Receiver, secrets: dict[str, str]) -> int:
    """Requests whose id, delivery id or body differ from an earlier one of the same event and endpoint, or whose signature is bad."""
    known: dict[tuple[str, str], tuple[str, bytes]] = {}
    bad = 0
    for request in receiver.requests:
        said = request.headers["x-flowtask-delivery"], request.body
        bad += known.setdefault((request.path, request.headers["webhook-id"]), said) != said
        bad += not verifies_as_plain_hmac(secrets[request.path], request)
    return bad


async def run(stack: Stack, options: argparse.Namespace) -> bool:
    """True when the accounts balance."""
    answers = Answers(options.seed)
    async with Receiver(answers) as receiver, caller(stack, timeout=15) as client:
        secrets = {}
        for path in PATHS:
            endpoint = {"url": receiver.url(path), "events": ["task.created"], **PATIENT}
            made = await client.post("/webhooks", json=endpoint)
            secrets[path] = made.raise_for_status().json()["data"]["secret"]
        accepted = await rounds(stack, client, options, answers)
        begun = time.monotonic()
        found = await arrived(receiver, len(accepted), options.deadline)
        lost = sum(len(accepted - each) for each in found.values())
        wrong = await asyncio.to_thread(altered, receiver, secrets)
        posted = len(receiver.requests)
        accepted_twice = sum(request.status == 200 for request in receiver.requests) - sum(map(len, found.values()))
        print(f"  tasks {len(accepted)}, deliveries {len(accepted) * len(PATHS)}, requests {posted}")
        print(f"  accepted again after a kill {accepted_twice}, caught up after {time.monotonic() - begun:.0f} s")
        print(f"  lost {lost}, altered {wrong}", flush=True)
        return not lost and not wrong


def main() -> None:
    """Start a stack with two dispatchers, kill, and balance the accounts."""
    parser = argparse.ArgumentParser(prog="bench kills")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--deadline", type=float, default=240.0, help="seconds for catching up")
    options = parser.parse_args()
    print(f"  {platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, seed {options.seed}")
    with (
        tempfile.TemporaryDirectory(prefix="flowtask-bench-") as folder,
        Stack(Path(folder) / "home", extra_env=AT_FULL_SPEED, replicas={"webhook-dispatcher": 2}) as stack,
    ):
        stack.up()
        stack.seed()
        well = asyncio.run(run(stack, options))
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main()
