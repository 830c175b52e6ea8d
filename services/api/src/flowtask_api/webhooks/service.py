"""Asking the service that owns webhooks; an answer that does not come is a 503 of this feature alone."""

from uuid import UUID

from pydantic import JsonValue

from flowtask_contracts.commands import webhook_secrets, webhook_tests
from flowtask_contracts.commands.webhook_deliveries import (
    Deliveries,
    Delivery,
    DeliveryDetail,
    EraseEvent,
    GetDelivery,
    ListDeliveries,
    RetryDelivery,
)
from flowtask_contracts.commands.webhook_filters import FilterTrial
from flowtask_contracts.commands.webhook_filters import TryFilter as TryFilterCommand
from flowtask_contracts.commands.webhook_ordering import HeldKeys, ListHeldKeys, SkipDelivery
from flowtask_contracts.commands.webhook_polls import PolledEvents, PollEndpoint
from flowtask_contracts.commands.webhooks import (
    CreateEndpoint,
    DeleteEndpoint,
    Done,
    EndpointHealth,
    Endpoints,
    GetEndpoint,
    GetEndpointHealth,
    ListEndpoints,
    UpdateEndpoint,
)
from flowtask_contracts.webhook_content import check_destination, check_headers
from flowtask_contracts.webhook_filters import check as check_filter
from flowtask_kit.bus.commands import Commands

from ..audit.asking import Recording
from ..auth.models import Caller
from ..http.paging import CursorQuery
from .schemas import (
    CreatedWebhook,
    CreateWebhook,
    ListDeliveriesQuery,
    PollQuery,
    RotateSecret,
    SearchDeliveriesQuery,
    SendTest,
    SendTestTo,
    SentTest,
    TryFilter,
    UpdateWebhook,
    Webhook,
    WebhookSecret,
)

_UNTOLD = frozenset({"url", "headers", "description", "filter", "metadata"})
"""The first two may hold secrets, the others anything."""


async def create_webhook(commands: Recording, caller: Caller, body: CreateWebhook) -> CreatedWebhook:
    """A new endpoint with its secret; without the secret in a repeat of an Idempotency-Key."""
    check_destination(body.url, body.delivery)
    _check_content(body)
    command = CreateEndpoint(
        workspace_id=caller.workspace_id,
        created_by=caller.user_id,
        **dict(body),
    )
    details: dict[str, JsonValue] = {"events": [*command.events], "active": command.active}
    return await commands.ask(
        caller, command, CreatedWebhook, "webhook.created", target=lambda webhook: webhook.id, details=details
    )


async def list_webhooks(commands: Commands, caller: Caller, asked: CursorQuery) -> Endpoints:
    """The workspace's endpoints, newest first."""
    command = ListEndpoints(workspace_id=caller.workspace_id, cursor=asked.cursor, limit=asked.per_page)
    return await commands.ask(command, Endpoints)


async def get_webhook(commands: Commands, caller: Caller, webhook_id: UUID) -> Webhook:
    """One endpoint."""
    return await commands.ask(GetEndpoint(workspace_id=caller.workspace_id, endpoint_id=webhook_id), Webhook)


async def get_health(commands: Commands, caller: Caller, webhook_id: UUID) -> EndpointHealth:
    """How an endpoint has been doing."""
    command = GetEndpointHealth(workspace_id=caller.workspace_id, endpoint_id=webhook_id)
    return await commands.ask(command, EndpointHealth)


async def update_webhook(commands: Recording, caller: Caller, webhook_id: UUID, body: UpdateWebhook) -> Webhook:
    """Change the fields that were sent; with none of them, nothing."""
    if not body.model_fields_set:
        return await commands.ask_untold(GetEndpoint(workspace_id=caller.workspace_id, endpoint_id=webhook_id), Webhook)
    _check_content(body)
    command = UpdateEndpoint(
        workspace_id=caller.workspace_id,
        endpoint_id=webhook_id,
        **{name: getattr(body, name) for name in body.model_fields_set},
    )
    told: dict[str, JsonValue] = body.model_dump(mode="json", by_alias=True, exclude_unset=True)
    changes: dict[str, JsonValue] = {
        name: None if name in _UNTOLD else {"to": value} for name, value in sorted(told.items())
    }
    return await commands.ask(
        caller, command, Webhook, "webhook.updated", target=webhook_id, details={"changes": changes}
    )


def _check_content(body: CreateWebhook | UpdateWebhook | TryFilter) -> None:
    """Refuse here what its owner would refuse, before anything of it is asked or written down; ValidationFailed names the place."""
    if body.filter is not None:
        check_filter(body.filter)
    if not isinstance(body, TryFilter):
        check_headers(body.headers)


async def try_filter(commands: Recording, caller: Caller, body: TryFilter) -> FilterTrial:
    """The latest events, each judged by types and filter."""
    _check_content(body)
    named = {"endpoint_id" if name == "webhook_id" else name for name in body.model_fields_set}
    values = {**dict(body), "endpoint_id": body.webhook_id}
    command = TryFilterCommand(workspace_id=caller.workspace_id, **{name: values[name] for name in named})
    return await commands.ask_untold(command, FilterTrial)


async def send_test(commands: Recording, caller: Caller, webhook_id: UUID, body: SendTest) -> SentTest:
    """A test of an endpoint, and what came of it; that it was sent is in the audit log."""
    command = webhook_tests.SendTest(workspace_id=caller.workspace_id, endpoint_id=webhook_id, event=body.event)
    details: dict[str, JsonValue] = {"event": body.event}
    return await commands.ask(caller, command, SentTest, "webhook.tested", target=webhook_id, details=details)


async def send_test_to(commands: Recording, caller: Caller, body: SendTestTo) -> SentTest:
    """A test of a URL, and what came of it; the audit log has the test's id and not where it went."""
    check_headers(body.headers)
    command = webhook_tests.SendTestTo(workspace_id=caller.workspace_id, **dict(body))
    details: dict[str, JsonValue] = {"event": body.event}
    return await commands.ask(caller, command, SentTest, "webhook.tested", target=lambda sent: sent.id, details=details)


async def delete_webhook(commands: Recording, caller: Caller, webhook_id: UUID) -> None:
    """Unsubscribe an endpoint."""
    command = DeleteEndpoint(workspace_id=caller.workspace_id, endpoint_id=webhook_id)
    await commands.ask(caller, command, Done, "webhook.deleted", target=webhook_id)


async def show_secret(commands: Recording, caller: Caller, webhook_id: UUID) -> WebhookSecret:
    """The secret of an endpoint; the audit log tells of it before it is asked for."""
    command = webhook_secrets.GetEndpointSecret(workspace_id=caller.workspace_id, endpoint_id=webhook_id)
    return await commands.ask(caller, command, WebhookSecret, "webhook.secret_shown", target=webhook_id)


async def show_public_keys(commands: Commands, caller: Caller, webhook_id: UUID) -> webhook_secrets.PublicKeys:
    """What verifies an endpoint's Ed25519 signatures."""
    command = webhook_secrets.GetPublicKeys(workspace_id=caller.workspace_id, endpoint_id=webhook_id)
    return await commands.ask(command, webhook_secrets.PublicKeys)


async def rotate_secret(commands: Recording, caller: Caller, webhook_id: UUID, body: RotateSecret) -> WebhookSecret:
    """Another secret for an endpoint; without it in a repeat of an Idempotency-Key."""
    command = webhook_secrets.RotateSecret(workspace_id=caller.workspace_id, endpoint_id=webhook_id, **dict(body))
    details: dict[str, JsonValue] = {"overlapSeconds": body.overlap_seconds, "own": body.secret is not None}
    return await commands.ask(
        caller, command, WebhookSecret, "webhook.secret_rotated", target=webhook_id, details=details
    )


async def end_previous_secret(commands: Recording, caller: Caller, webhook_id: UUID) -> None:
    """Have the newest secret of an endpoint sign alone."""
    command = webhook_secrets.EndOverlap(workspace_id=caller.workspace_id, endpoint_id=webhook_id)
    await commands.ask(caller, command, Done, "webhook.previous_secret_ended", target=webhook_id)


async def poll(commands: Commands, caller: Caller, webhook_id: UUID, asked: PollQuery) -> PolledEvents:
    """What comes behind the cursor at an endpoint that is polled; what comes up to it is acknowledged."""
    command = PollEndpoint(
        workspace_id=caller.workspace_id, endpoint_id=webhook_id, cursor=asked.cursor, limit=asked.limit
    )
    return await commands.ask(command, PolledEvents)


async def list_deliveries(
    commands: Commands, caller: Caller, webhook_id: UUID | None, asked: ListDeliveriesQuery
) -> Deliveries:
    """Deliveries to an endpoint, or to all of the workspace, newest event first."""
    searched = asked if isinstance(asked, SearchDeliveriesQuery) else SearchDeliveriesQuery()
    command = ListDeliveries(
        workspace_id=caller.workspace_id,
        endpoint_id=webhook_id,
        event_id=searched.event_id,
        resource_id=searched.resource_id,
        status=asked.status,
        event=asked.event,
        since=asked.since,
        until=asked.until,
        cursor=asked.cursor,
        limit=asked.per_page,
    )
    return await commands.ask(command, Deliveries)


async def get_delivery(commands: Commands, caller: Caller, delivery_id: UUID, before: int | None) -> DeliveryDetail:
    """One delivery with its latest attempts, or with those before the one of a number."""
    command = GetDelivery(workspace_id=caller.workspace_id, delivery_id=delivery_id, attempts_before=before)
    return await commands.ask(command, DeliveryDetail)


async def retry_delivery(commands: Recording, caller: Caller, delivery_id: UUID) -> Delivery:
    """Attempt a delivery once more now; each attempt is on record there, and the audit log tells none of them."""
    return await commands.ask_untold(RetryDelivery(workspace_id=caller.workspace_id, delivery_id=delivery_id), Delivery)


async def list_held_keys(commands: Commands, caller: Caller, webhook_id: UUID, asked: CursorQuery) -> HeldKeys:
    """The keys of an ordered endpoint that are held up."""
    command = ListHeldKeys(
        workspace_id=caller.workspace_id, endpoint_id=webhook_id, cursor=asked.cursor, limit=asked.per_page
    )
    return await commands.ask(command, HeldKeys)


async def skip_delivery(commands: Recording, caller: Caller, delivery_id: UUID) -> Delivery:
    """Have those behind a delivery go on without it."""
    command = SkipDelivery(workspace_id=caller.workspace_id, delivery_id=delivery_id)
    return await commands.ask(caller, command, Delivery, "delivery.skipped", target=delivery_id)


async def erase_event(commands: Recording, caller: Caller, event_id: UUID) -> None:
    """Remove the content of one event."""
    command = EraseEvent(workspace_id=caller.workspace_id, event_id=event_id)
    await commands.ask(caller, command, Done, "event.erased", target=event_id)
