"""The loops of delivery put together, and their orderly end."""

import asyncio
import gc
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg

from flowtask_contracts.topology import DISPATCHER_INTAKE
from flowtask_kit import logs
from flowtask_kit.database.engine import SERVER_SETTINGS, plain_dsn
from flowtask_kit.ids import utc_now
from flowtask_kit.outages import is_outage
from flowtask_kit.service.resources import Resources

from ..endpoints.breaker import Rules
from ..endpoints.directory import Directory
from ..health.tally import Tally
from ..keyring import KeyRing
from ..settings import DispatcherSettings
from ..transport import Transport
from . import metrics, outcomes, statements
from .floor import Floor
from .guard import Guard
from .intake import Intake
from .journal import Journal
from .lanes import Lanes
from .load import Load, spent_by_this_thread
from .pacing import Pacing
from .recorder import Recorder
from .replies import Replies
from .retrier import Retrier
from .sender import Sender
from .turns import Turns
from .work import Released

log = logs.get(__name__)

CLAIM_MARGIN = timedelta(seconds=5)
HALT_SECONDS = 2.0
GARBAGE = (20_000, 20, 50)
"""Objects made before the youngest are looked through (`gc.set_threshold`): a few thousand messages in hand are no garbage."""
RECORD_SECONDS = 5.0


class Dispatcher:
    """Intake, lanes, sender, recorder and retrier of one process."""

    def __init__(self, resources: Resources, settings: DispatcherSettings, keyring: KeyRing, client: Transport) -> None:
        self._resources = resources
        self._settings = settings
        self._directory = Directory(keyring, allow_http=settings.webhooks_allow_http)
        self._client = client
        self._tally = Tally()
        metrics.watch(self._directory)
        self._pool: asyncpg.Pool[Any] | None = None
        self._intake: Intake | None = None
        self._lanes: Lanes | None = None
        self._replies: Replies | None = None
        self._recorder: Recorder | None = None
        self._retrier: Retrier | None = None

    def wake(self) -> None:
        """Something became due: look now."""
        if self._retrier is not None:
            self._retrier.wake()

    async def start(self) -> None:
        """Build and start the loops; a database or broker that is away is waited for inside them."""
        gc.set_threshold(*GARBAGE)
        settings, background = self._settings, self._resources.background
        self._pool = pool = await _pool_of(settings)
        claim = 2 * timedelta(seconds=settings.webhooks_timeout_seconds) + CLAIM_MARGIN
        journal = Journal(
            lease=claim,
            due=lambda at: retrier.due(at),  # noqa: PLW0108 - made below
            ended=lambda parcel: retrier.ended(parcel),  # noqa: PLW0108 - made below
        )
        counted = partial(outcomes.count, tally=self._tally)
        recorder = Recorder(pool, journal, lambda arrival: intake.settled(arrival), counted)  # noqa: PLW0108 - made below
        load = Load(asyncio.get_running_loop().time, spent_by_this_thread())
        rules = Rules(settings.webhooks_breaker_failures, timedelta(seconds=settings.webhooks_breaker_seconds))
        guard = Guard(self._directory, recorder.put, rules, each=settings.webhooks_endpoint_concurrency)
        sender = Sender(self._client, self._directory, guard, recorder, timeout=settings.webhooks_timeout_seconds)
        lanes = Lanes(
            sender.send,
            lambda endpoint_id: retrier.freed(endpoint_id),  # noqa: PLW0108 - made below
            guard.at_once,
            total=settings.webhooks_concurrency,
            short=lambda: load.short,
        )
        self._replies = replies = Replies(self._resources.bus)
        intake = Intake(pool, self._resources.bus, self._directory, lanes, guard, replies, load)
        intake.record_with(recorder)
        pacing = Pacing(
            guard.at_once,
            lanes,
            asyncio.get_running_loop().time,
            total=max(1, settings.webhooks_concurrency // 8),
            rate=settings.webhooks_replay_rate,
            spare=lambda: load.short or load.live,
        )
        floor = Floor(self._resources.bus, DISPATCHER_INTAKE, lambda: retrier.wake())  # noqa: PLW0108 - made below
        retrier = Retrier(pool, self._directory, guard, lanes, recorder, Turns(floor), claim=claim, pacing=pacing)
        self._intake, self._lanes, self._recorder, self._retrier = intake, lanes, recorder, retrier
        for name, loop in (
            ("recorder", recorder.run),
            ("answers", replies.run),
            ("hold", intake.hold),
            ("intake", intake.run),
            ("retrier", retrier.run),
            ("floor", floor.run),
            ("tally", partial(self._tally.run, pool)),
        ):
            background.start(name, loop)

    async def stop(self) -> None:
        """Hand back what was not sent, let attempts under way end, put everything on record."""
        assert self._intake is not None
        assert self._lanes is not None
        assert self._replies is not None
        assert self._recorder is not None
        assert self._retrier is not None
        assert self._pool is not None
        with suppress(TimeoutError):  # what a database that is away holds up comes back by itself
            async with asyncio.timeout(HALT_SECONDS):
                await asyncio.gather(self._retrier.stop(), self._intake.stop())
        for parcel in self._lanes.close():
            if parcel.claim_no:
                self._recorder.put(Released(parcel, utc_now()))
            else:
                self._intake.hand_back(parcel)
        try:
            async with asyncio.timeout(self._settings.webhooks_timeout_seconds + 1):
                await self._lanes.idle()
        except TimeoutError:
            self._lanes.abandon()
        await self._replies.send_all()
        try:
            async with asyncio.timeout(RECORD_SECONDS if self._recorder.healthy.is_set() else HALT_SECONDS):
                await self._recorder.drained()
                await self._retrier.give_up_leases()
                await self._tally.flush(self._pool)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("not everything is on record; messages and leases come back", error=repr(error))
        await self._replies.send_all()
        await self._client.aclose()

    async def close(self) -> None:
        """Give back the database connections, once the loops have ended."""
        if self._pool is not None:
            self._pool.terminate()


async def _pool_of(settings: DispatcherSettings) -> "asyncpg.Pool[Any]":
    return await asyncpg.create_pool(
        plain_dsn(settings.database_url.get_secret_value()),
        min_size=0,
        max_size=4,
        timeout=5,
        command_timeout=15,
        server_settings={**SERVER_SETTINGS, **statements.WALKING, "application_name": "flowtask-webhook-dispatch"},
        reset=_as_it_is,
    )


async def _as_it_is(_connection: object) -> None:
    """No session state is ever set, so that a connection needs no resetting round trip between two uses."""
