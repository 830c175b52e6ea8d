"""One service away while the rest is worked with: the work, the outage, and the accounts that must balance afterwards.

Tests run it for seconds, the measurement `bench outages` for minutes.
"""

import asyncio
import math
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx2
import orjson

from flowtask_contracts.topology import FLOWTASK
from flowtask_local.services import ServiceProcess
from flowtask_local.stack import Stack

from .features import FEATURES
from .receivers import Receiver
from .writing import Fact, Writer, fact

DEADLINE = 5.0
"""Seconds within which a command is answered, or refused because nobody does."""

SLACK = 1.0
"""Seconds that a busy machine may add to it."""


def died_at(process: ServiceProcess, crashpoint: str) -> None:
    """The process was killed by itself, exactly there."""
    assert process.wait(30) == -signal.SIGKILL
    assert any("crashpoint reached" in line and crashpoint in line for line in process.log_lines[-50:])


@dataclass
class Outcome:
    """The accounts of one outage; `problems` is empty when nothing was lost, doubled or answered wrongly."""

    service: str
    seconds: float = 0.0
    accepted: int = 0
    failed: int = 0
    refusals: int = 0
    slowest: float = 0.0
    catch_up: float = 0.0
    webhooks: int = 0
    repeats: int = 0
    mails: int = 0
    doubled: int = 0
    lost: int = 0
    problems: list[str] = field(default_factory=list)

    def check(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)


class Scene:
    """A running FlowTask with one subscriber of everything, seen from outside and, in `sql` and `owed`, from within."""

    def __init__(
        self,
        stack: Stack,
        client: httpx2.AsyncClient,
        receiver: Receiver,
        admin: "asyncpg.Connection[asyncpg.Record]",
        monitor: httpx2.AsyncClient,
    ) -> None:
        self.stack = stack
        self.client = client
        self.receiver = receiver
        self.admin = admin
        self._monitor = monitor

    async def owed(self) -> dict[str, int]:
        """Work that is somewhere on its way, by place; along the way, so that nothing moves past the one who looks."""
        places: dict[str, int] = {}
        for service in FLOWTASK.services:
            places[f"{service.schema}.outbox"] = await self.admin.fetchval(
                f"SELECT count(*) FROM {service.schema}.outbox"
            )
        answer = await self._monitor.get("/jsz", params={"consumers": "true"})
        for account in answer.json()["account_details"]:
            for stream in account["stream_detail"]:
                for durable in stream.get("consumer_detail") or ():
                    places[durable["name"]] = durable["num_pending"] + durable["num_ack_pending"]
        assert {durable.name for durable in FLOWTASK.durables} <= places.keys()
        places["webhooks.due"] = await self.admin.fetchval("SELECT count(*) FROM webhooks.due")
        places["mailer.emails"] = await self.admin.fetchval(
            "SELECT count(*) FROM mailer.emails WHERE status = 'queued'"
        )
        return {place: count for place, count in places.items() if count}

    async def until(self, nothing: Callable[[dict[str, int]], bool], seconds: float) -> str | None:
        """Wait until nothing is owed any more in that sense; what still is, when time is up."""
        end = time.monotonic() + seconds
        while not nothing(owed := await self.owed()):
            if time.monotonic() > end:
                return f"after {seconds:.0f} s there still was {owed}"
            await asyncio.sleep(0.05)  # between two looks at the condition
        return None

    def told(self) -> dict[Fact, list[str]]:
        """The webhook ids under which each fact came."""
        found: dict[Fact, list[str]] = {}
        for identity, requests in self.receiver.by_event.items():
            document = requests[0].document
            found.setdefault(fact(document["event"], document["data"]), []).append(identity)
        return found

    async def failed_messages(self) -> int:
        """Messages that some consumer could not handle, dead letters included."""
        schemas = await self.admin.fetch("SELECT schemaname FROM pg_tables WHERE tablename = 'failed_messages'")
        return sum(
            [await self.admin.fetchval(f"SELECT count(*) FROM {row['schemaname']}.failed_messages") for row in schemas]
        )

    async def listed_mails(self) -> list[dict[str, Any]]:
        """Every mail of the workspace, page by page."""
        mails: list[dict[str, Any]] = []
        query: dict[str, str] = {"perPage": "100"}
        while True:
            answer = await self.client.get("/emails", params=query)
            assert answer.status_code == 200, answer.text
            mails += answer.json()["data"]
            cursor = answer.json()["meta"]["nextCursor"]
            if cursor is None:
                return mails
            query["cursor"] = cursor


def caller(stack: Stack, *, timeout: float) -> httpx2.AsyncClient:
    """A caller of the demo workspace; many connections, for an api that hangs holds many."""
    return httpx2.AsyncClient(
        base_url=f"{stack.service('api').url}/api/v1",
        headers={"Authorization": f"Bearer {stack.seed()['apiKey']}"},
        timeout=timeout,
        limits=httpx2.Limits(max_connections=512, max_keepalive_connections=32),
    )


@asynccontextmanager
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    """Somebody who subscribes to everything, for as long as the block runs."""
    monitor_url = f"http://127.0.0.1:{stack.nats.monitor_port}"
    admin = await asyncpg.connect(stack.postgres.url("flowtask"))
    try:
        async with (
            Receiver() as receiver,
            caller(stack, timeout=15) as client,
            httpx2.AsyncClient(base_url=monitor_url, timeout=15) as monitor,
        ):
            answer = await client.post("/webhooks", json={"url": receiver.url(), "events": ["*"]})
            assert answer.status_code == 201, answer.text
            yield Scene(stack, client, receiver, admin, monitor)
            await client.delete(f"/webhooks/{answer.json()['data']['id']}")
    finally:
        await admin.close()


class Probing:
    """Asks once a second for what each service does, as long as one of them is away."""

    def __init__(self, scene: Scene, outcome: Outcome, *, hangs: bool) -> None:
        self._scene = scene
        self._outcome = outcome
        self._limit = DEADLINE + SLACK if hangs else DEADLINE / 2
        self._back = False

    async def run(self, seconds: float) -> None:
        """Returns when the time is over and all who were asked have answered, or been given up as too late to tell."""
        begun = time.perf_counter()
        asking: list[asyncio.Task[None]] = []
        for second in range(math.ceil(seconds)):
            asking += [asyncio.create_task(self._ask(name, path)) for name, path in FEATURES.items()]
            await asyncio.sleep(begun + min(second + 1, seconds) - time.perf_counter())  # the length of the outage
        self._asking = asking

    async def end(self) -> None:
        """Call when the service is about to be back: an answer that comes later tells nothing of the outage."""
        self._back = True
        await asyncio.gather(*self._asking)

    async def _ask(self, name: str, path: str) -> None:
        outcome, away = self._outcome, self._outcome.service
        begun = time.perf_counter()
        if away == "api":
            async with httpx2.AsyncClient(timeout=15) as client:
                answer = await client.get(f"{self._scene.stack.service(name).url}/readyz")
        else:
            answer = await self._scene.client.get(path)
        took = time.perf_counter() - begun
        if name != away:
            outcome.check(answer.is_success, f"{name}, which was there, answered {answer.status_code} {answer.text}")
        elif not self._back:
            outcome.refusals += 1
            outcome.slowest = max(outcome.slowest, took)
            outcome.check(is_unavailable(answer), f"{path} answered {answer.status_code} {answer.text}")
            outcome.check(took <= self._limit, f"{path} took {took:.2f} s to say that {name} is away")


def is_unavailable(answer: httpx2.Response) -> bool:
    """A 503 as promised: with its code, and with the seconds to wait both in the body and in the header."""
    if answer.status_code != 503:
        return False
    error = answer.json()["error"]
    wait = error.get("retryAfter") or 0
    return error["code"] == "SERVICE_UNAVAILABLE" and wait > 0 and answer.headers.get("retry-after") == str(wait)


async def outage(
    stack: Stack,
    service: str,
    *,
    seconds: float,
    rate: float,
    before: float = 1.0,
    hangs: bool = False,
    patience: float = 120.0,
    before_return: Callable[[Scene], Awaitable[None]] | None = None,
) -> Outcome:
    """Kill a service, or have it hang, for some seconds while `rate` writes a second go on; then balance the accounts.

    The writes begin `before` seconds earlier and end when the service answers again; `patience` is how many seconds it
    may then take until nothing is owed. `before_return` may touch the database while the service is away.
    """
    outcome = Outcome(service)
    process = stack.service(service)
    async with scene(stack) as there, caller(stack, timeout=DEADLINE) as client:
        writer = Writer(client, stack.seed()["userId"])
        writing = asyncio.create_task(writer.run(rate))
        try:
            await writer.reached(int(rate * before))
            gone = time.monotonic()
            await asyncio.to_thread(go, process, hangs)
            probing = Probing(there, outcome, hangs=hangs)
            await probing.run(seconds)
            if service == "api":
                await work_goes_on(there, writer, outcome)
            if before_return is not None:
                await before_return(there)
            back = time.monotonic()
            outcome.seconds = back - gone
            ending = asyncio.create_task(probing.end())
            await asyncio.to_thread(come_back, process, hangs)
            await ending
            await until_answered(there, service, outcome)
        finally:
            process.signal("CONT")
            writer.stop()
            await writing
        owed = await there.until(lambda owed: not owed and writer.expected.keys() <= there.told().keys(), patience)
        outcome.catch_up = time.monotonic() - back
        outcome.check(owed is None, owed or "")
        await balance(there, writer, outcome)
    return outcome


def go(process: ServiceProcess, hangs: bool) -> None:
    if hangs:
        process.signal("STOP")
    else:
        process.kill()


def come_back(process: ServiceProcess, hangs: bool) -> None:
    if hangs:
        process.signal("CONT")
    else:
        process.start()
    process.wait_ready()


async def until_answered(there: Scene, service: str, outcome: Outcome) -> None:
    """A service that says it is ready does its work: not one request for it is refused any more."""
    for name, path in FEATURES.items():
        answer = await there.client.get(path)
        outcome.check(answer.is_success, f"{service} was ready, but {name} answered {answer.status_code} {answer.text}")


async def work_goes_on(there: Scene, writer: Writer, outcome: Outcome) -> None:
    """Without the api, whatever it has told so far is delivered and mailed; what is missing lies in its outbox."""

    def of_others(owed: dict[str, int]) -> bool:
        return not owed.keys() - {"api.outbox"}

    owed = await there.until(of_others, 35.0)
    outcome.check(owed is None, f"without the api {owed}")
    rows = await there.admin.fetch("SELECT payload FROM api.outbox")
    waiting = {fact(event["type"], event["data"]) for event in (orjson.loads(row["payload"]) for row in rows)}
    missing = writer.expected.keys() - there.told().keys() - waiting
    outcome.check(not missing, f"without the api {len(missing)} events that it had told did not arrive")


async def balance(there: Scene, writer: Writer, outcome: Outcome) -> None:
    """Every accepted write told once, every assignment mailed once, nothing left behind."""
    outcome.accepted, outcome.failed = writer.accepted, writer.failures.total()
    outcome.check(outcome.service == "api" or not writer.failures, f"writes failed: {writer.failures.most_common(3)}")
    outcome.check(outcome.service != "api" or bool(writer.failures), "no write failed, so the api was not away")
    outcome.check(outcome.service == "api" or outcome.refusals > 0, "nobody was refused, so the service was not away")
    _balance_webhooks(there, writer, outcome)
    await _balance_mails(there, outcome)
    failed = await there.failed_messages()
    outcome.check(failed == 0, f"{failed} messages could not be handled")
    owed = await there.owed()
    outcome.check(not owed, f"still on its way: {owed}")


def _balance_webhooks(there: Scene, writer: Writer, outcome: Outcome) -> None:
    told, by_event = there.told(), there.receiver.by_event
    outcome.webhooks = len(by_event)
    outcome.repeats = len(there.receiver.requests) - len(by_event)
    lost = writer.expected.keys() - told.keys()
    doubled = [one for one, identities in told.items() if len(identities) > 1]
    outcome.lost += len(lost)
    outcome.doubled += len(doubled)
    outcome.check(not lost, f"{len(lost)} events never arrived, such as {sorted(lost)[:3]}")
    outcome.check(not doubled, f"{len(doubled)} events arrived under two ids, such as {doubled[:3]}")
    for one in writer.expected.keys() & told.keys():
        document = by_event[told[one][0]][0].document
        outcome.check(document["data"] == writer.expected[one], f"{one} told something else than the answer")
    for identity, requests in by_event.items():
        same = {(request.headers["x-flowtask-delivery"], request.body) for request in requests}
        outcome.check(len(same) == 1, f"repeats of {identity} differ")


async def _balance_mails(there: Scene, outcome: Outcome) -> None:
    assigned = {
        identity for one, identities in there.told().items() if one[0] == "task.assigned" for identity in identities
    }
    rows = await there.admin.fetch(
        "SELECT event_id::text AS event, status, attempts FROM mailer.emails WHERE event_id = ANY($1::uuid[])",
        list(assigned),
    )
    kept = [(row["event"], row["status"], row["attempts"]) for row in rows]
    listed = [
        (mail["eventId"], mail["status"], mail["attempts"])
        for mail in await there.listed_mails()
        if mail["eventId"] in assigned
    ]
    outcome.mails = len(kept)
    outcome.check(sorted(listed) == sorted(kept), "the log of mails shows something else than its table")
    times = Counter(event for event, status, _ in kept if status == "sent")
    lost = assigned - times.keys()
    doubled = {event for event, count in times.items() if count > 1} | {event for event, _, tries in kept if tries != 1}
    outcome.lost += len(lost)
    outcome.doubled += len(doubled)
    outcome.check(not lost, f"{len(lost)} assignments were never mailed")
    outcome.check(not doubled, f"{len(doubled)} assignments were mailed or tried more than once")
