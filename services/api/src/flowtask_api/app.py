"""The API service, put together."""

from datetime import timedelta

from fastapi import FastAPI

from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.bus.answers import Answers
from flowtask_kit.service.app import create_service
from flowtask_kit.service.resources import Resources

from .accounts import answers as account_answers
from .accounts import routes as accounts
from .api_keys import routes as api_keys
from .api_keys.authenticator import ApiKeyAuthenticator
from .api_keys.last_use import LastUse
from .api_keys.service import MOST
from .audit import routes as audit
from .auth.routing import Unmatched, known_below_the_prefix
from .billing import routes as billing
from .clerk.authenticator import signing_in
from .clerk.loop import forgetting_erased
from .database import MIGRATIONS, CommandRecord
from .deletions.loop import deletions
from .documentation import routes as documentation
from .documentation.service import Documentation
from .emails import routes as emails
from .erasure.loop import erasures, late_after
from .events import routes as events
from .http.cors import cors_of
from .idempotency.loop import forgetting
from .invitations import routes as invitations
from .invitations.loop import expiring
from .members import routes as members
from .projects import routes as projects
from .rate_limits.limiter import Limiter
from .rate_limits.shared import SharedWindows
from .settings import ApiSettings
from .sync import routes as sync
from .sync.loop import burying
from .tasks import routes as tasks
from .webhooks import deliveries, ordering, polling, replays, secrets, testing
from .webhooks import routes as webhooks

SERVICE = FLOWTASK.service("api")

_ROUTERS = (
    tasks.router,
    projects.router,
    sync.router,
    webhooks.router,
    secrets.router,
    testing.router,
    polling.router,
    deliveries.router,
    events.router,
    replays.router,
    ordering.router,
    api_keys.router,
    accounts.router,
    accounts.workspaces,
    members.router,
    invitations.router,
    emails.router,
    billing.router,
    audit.router,
    documentation.router,
)


def create_app(settings: ApiSettings) -> FastAPI:
    """The app of the API; nothing connects before it starts."""
    resources = Resources.create(SERVICE, settings)
    last_use = LastUse(resources.database, every=settings.key_use_flush_seconds)
    deleting = deletions(resources.database, resources.wake, poll=settings.deletion_poll_seconds)
    late = late_after(settings.request_seconds)
    erasing = erasures(resources.database, resources.wake, late=late, poll=settings.deletion_poll_seconds)
    forgetful = [
        make(resources.database, resources.wake) for make in (forgetting, burying, expiring, forgetting_erased)
    ]
    answers = Answers(resources.bus, resources.database, resources.wake, CommandRecord, service=SERVICE.name)
    account_answers.register(answers)

    limiter = _limiter(settings)
    clerk = signing_in(settings, resources)

    async def start_loops() -> None:
        resources.background.start("key-uses", last_use.run)
        for worker in (deleting, erasing, *forgetful):
            resources.background.start(worker.name, worker.run)

    app = create_service(
        resources,
        MIGRATIONS,
        needs_bus=False,
        on_start=[start_loops],
        on_stop=[last_use.flush],
        on_close=[limiter.close, *(each.close for each in clerk)],
        https=settings.public_url is not None and settings.public_url.scheme == "https",
        cors=cors_of(settings.cors_origins, [route for router in _ROUTERS for route in router.routes]),
        before_misspelt=known_below_the_prefix,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.authenticators = (ApiKeyAuthenticator(last_use), *clerk)
    app.state.limiter = limiter
    app.state.deletions = deleting
    app.state.erasures = erasing
    app.state.invitations_last = timedelta(days=settings.invitation_days)
    _route(app, settings)
    return app


def _route(app: FastAPI, settings: ApiSettings) -> None:
    """Give the app its routes as they are, for an included router is asked route by route, and a description of them."""
    for router in _ROUTERS:
        app.router.routes.extend(router.routes)
    app.router.default = Unmatched(app.router.default)
    app.state.documentation = Documentation(app.routes, str(settings.public_url) if settings.public_url else None)


def _limiter(settings: ApiSettings) -> Limiter:
    """Windows of all replicas together where there is a Redis, else of this process."""
    url = settings.redis_url
    shared = None if url is None else SharedWindows(url.get_secret_value(), within=settings.redis_seconds)
    return Limiter(settings.rate_limits, keys=MOST, failures=settings.failed_authentications, shared=shared)
