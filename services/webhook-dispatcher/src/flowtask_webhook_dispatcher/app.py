"""The webhook dispatcher as an ASGI app: probes outside, commands and events on the bus."""

from datetime import timedelta

from fastapi import FastAPI

from flowtask_contracts.topology import DISPATCHER_JOBS, EVENTS, FLOWTASK
from flowtask_kit.bus.answers import Answers
from flowtask_kit.bus.clearing import Clearing
from flowtask_kit.bus.consumers import Consumers
from flowtask_kit.schedule.scheduler import Scheduler
from flowtask_kit.service.app import create_service
from flowtask_kit.service.resources import Resources

from .database import MIGRATIONS, CommandRecord, FailedMessage, JobRun
from .deliveries import answers as delivery_answers
from .deliveries.erasing import erasing_events
from .deliveries.sizes import measuring
from .dispatch.dispatcher import CLAIM_MARGIN, Dispatcher
from .endpoints import answers as endpoint_answers
from .endpoints.service import EndpointRules
from .erasure import consumers as erasure_consumers
from .erasure.loop import erasing
from .events import answers as event_answers
from .failing.loop import telling
from .filters import answers as filter_answers
from .health import answers as health_answers
from .jobs import jobs_of
from .keyring import KeyRing
from .ordering import answers as ordering_answers
from .overview import looking
from .polling import answers as polling_answers
from .replays import answers as replay_answers
from .replays.loop import replaying
from .settings import DispatcherSettings
from .transport import AddressPolicy, Admission, HookClient, Resolve, Resolver, parse_proxy
from .trials import answers as trial_answers
from .trials.service import Trials

SERVICE = FLOWTASK.service("webhook-dispatcher")


SAVE_THREADS = 8
"""Lookups at once for URLs that are being saved; they share no thread with those of what is sent."""


def create_app(settings: DispatcherSettings, *, resolve: Resolve | None = None) -> FastAPI:
    """The service; InvalidKeyRing if the configured key ring cannot be used. `resolve` defaults to the system's resolver."""
    keyring = KeyRing.parse(settings.webhooks_secret_keys.get_secret_value())
    resources = Resources.create(SERVICE, settings)
    client = _client(settings, resolve)
    dispatcher = Dispatcher(resources, settings, keyring, client)
    answers = Answers(resources.bus, resources.database, resources.wake, CommandRecord, service=SERVICE.name)
    saving = Resolver(SAVE_THREADS)
    rules = EndpointRules(keyring, _admission(settings, resolve or saving), most=settings.webhooks_max_endpoints)
    endpoint_answers.register(answers, rules)
    events = erasing_events(resources.database, resources.wake)
    delivery_answers.register(answers, dispatcher.wake, events)
    keep_days = settings.webhooks_keep_days
    replays = replaying(resources.database, resources.wake, dispatcher.wake, keep_days=keep_days)
    replay_answers.register(answers, replays, keep_days=keep_days)
    standings = telling(resources.database, resources.wake, limit=settings.webhooks_disable_after_hours)
    ordering_answers.register(answers, dispatcher.wake)
    filter_answers.register(answers)
    event_answers.register(answers)
    polling_answers.register(answers)
    allow_http, timeout = settings.webhooks_allow_http, settings.webhooks_timeout_seconds
    trial_answers.register(answers, Trials(client, rules, allow_http=allow_http, timeout=timeout))
    health_answers.register(answers)
    claim = 2 * timedelta(seconds=settings.webhooks_timeout_seconds) + CLAIM_MARGIN
    erasures = erasing(resources.database, resources.wake, settle=claim)
    erasure_consumers.register(Consumers(resources.bus, resources.database, resources.wake, FailedMessage), erasures)

    scheduler = Scheduler(resources, JobRun, jobs_of(settings), DISPATCHER_JOBS)
    clearing = Clearing(resources.bus, EVENTS, FLOWTASK.readers_of(EVENTS))

    async def start_loops() -> None:
        resources.background.start("clearing", clearing.run)
        for worker in (erasures, events, replays, standings, measuring(resources.direct), looking(resources.direct)):
            resources.background.start(worker.name, worker.run)

    async def close_resolver() -> None:
        saving.close()

    return create_service(
        resources,
        MIGRATIONS,
        needs_bus=True,
        on_start=[dispatcher.start, start_loops, scheduler.start],
        on_stop=[scheduler.stop, dispatcher.stop],
        on_close=[dispatcher.close, close_resolver],
        title="FlowTask webhook dispatcher",
        openapi_url=None,
    )


def _client(settings: DispatcherSettings, resolve: Resolve | None) -> HookClient:
    proxy = settings.webhooks_proxy_url
    return HookClient(
        _admission(settings, resolve), proxy=None if proxy is None else parse_proxy(proxy.get_secret_value())
    )


def _admission(settings: DispatcherSettings, resolve: Resolve | None) -> Admission:
    return Admission(
        AddressPolicy(settings.webhooks_allow_private_networks),
        allow_http=settings.webhooks_allow_http,
        ports=settings.webhooks_ports,
        resolve=resolve,
    )
