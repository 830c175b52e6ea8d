"""Webhook endpoints over HTTP; owners and admins only."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from flowtask_contracts.commands.webhook_filters import FilterTrial
from flowtask_contracts.commands.webhooks import Endpoint, EndpointHealth
from flowtask_kit.http.envelope import CursorMeta, Envelope

from ..audit.asking import AskingRecorded
from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Asking
from ..http.paging import CursorQuery
from ..http.refusals import may_raise
from . import service
from .errors import WebhookNotFound
from .schemas import CreatedWebhook, CreateWebhook, TryFilter, UpdateWebhook, Webhook

router = api_router("Webhooks", "/webhooks", resource=Resource.WEBHOOKS)


@router.get("", summary="List webhooks")
async def list_webhooks(
    caller: Admin, commands: Asking, asked: Annotated[CursorQuery, Query()]
) -> Envelope[tuple[Webhook, ...]]:
    """The workspace's endpoints, newest first."""
    page = await service.list_webhooks(commands, caller, asked)
    return Envelope(
        data=tuple(map(_shown, page.items)), meta=CursorMeta(per_page=asked.per_page, next_cursor=page.next_cursor)
    )


@router.post("", status_code=status.HTTP_201_CREATED, summary="Create a webhook")
async def create_webhook(
    caller: Admin, commands: AskingRecorded, body: CreateWebhook, response: Response
) -> Envelope[CreatedWebhook]:
    """Subscribe a URL. The signing secret is in this answer; later it is shown on request, and that is written down."""
    webhook = await service.create_webhook(commands, caller, body)
    response.headers["Location"] = f"/api/v1/webhooks/{webhook.id}"
    response.headers["Cache-Control"] = "no-store"
    return Envelope(data=webhook)


@router.post("/filters/try", summary="Try a filter out")
@may_raise(WebhookNotFound)
async def try_filter(caller: Admin, commands: AskingRecorded, body: TryFilter) -> Envelope[FilterTrial]:
    """Judge the workspace's latest events, 100 at most, by a filter and event types, saved or not. Nothing is sent or changed."""
    return Envelope(data=await service.try_filter(commands, caller, body))


@router.get("/{webhook_id:uuid}", summary="Get a webhook")
async def get_webhook(caller: Admin, commands: Asking, webhook_id: UUID) -> Envelope[Webhook]:
    """One endpoint, without its secret."""
    return Envelope(data=await service.get_webhook(commands, caller, webhook_id))


@router.get("/{webhook_id}/health", summary="Get a webhook's health")
async def get_health(caller: Admin, commands: Asking, webhook_id: UUID) -> Envelope[EndpointHealth]:
    """How its attempts went in the last hour, day and week, and whether it is sent to at all."""
    return Envelope(data=await service.get_health(commands, caller, webhook_id))


@router.patch("/{webhook_id:uuid}", summary="Change a webhook")
@router.put("/{webhook_id:uuid}", summary="Update a webhook")
async def update_webhook(
    caller: Admin, commands: AskingRecorded, webhook_id: UUID, body: UpdateWebhook
) -> Envelope[Webhook]:
    """Change the fields that are sent; the others stay."""
    return Envelope(data=await service.update_webhook(commands, caller, webhook_id, body))


@router.delete(
    "/{webhook_id:uuid}", status_code=status.HTTP_204_NO_CONTENT, response_class=Response, summary="Delete a webhook"
)
async def delete_webhook(caller: Admin, commands: AskingRecorded, webhook_id: UUID) -> None:
    """Unsubscribe. What is still due is cancelled; the history stays readable."""
    await service.delete_webhook(commands, caller, webhook_id)


def _shown(endpoint: Endpoint) -> Webhook:
    return Webhook.model_validate(dict(endpoint))
