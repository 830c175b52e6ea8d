"""Replays over HTTP: sending again what was sent, or missed; owners and admins only."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from flowtask_contracts.commands.webhook_replays import Replay
from flowtask_kit.http.envelope import CursorMeta, Envelope

from ..audit.asking import AskingRecorded
from ..auth.dependencies import Admin
from ..auth.routing import api_router
from ..auth.scopes import Resource
from ..http.dependencies import Asking
from ..http.paging import CursorQuery
from ..http.refusals import may_raise
from . import replaying
from .errors import ReplayHasEnded, ReplayUnderWay, WebhookIsOff
from .replay_schemas import DryRun, ListReplaysQuery, RecoverWebhook, ReplayWebhook

router = api_router("Webhook replays", resource=Resource.WEBHOOKS)


@router.post(
    "/webhooks/{webhook_id}/replay",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Replay to a webhook",
)
@may_raise(WebhookIsOff, ReplayUnderWay)
async def replay_webhook(
    caller: Admin,
    commands: AskingRecorded,
    webhook_id: UUID,
    asked: Annotated[DryRun, Query()],
    body: ReplayWebhook,
    response: Response,
) -> Envelope[Replay]:
    """Send again what a webhook was sent, or missed, in a span of time: each delivery once, with the id and the body it had.

    With `dryRun=true` it is only counted. A replay goes behind live traffic and retries and keeps to the webhook's limits; it
    can be watched and cancelled, and there is no limit to its size. One of a webhook at a time.
    """
    replay = await replaying.replay_webhook(commands, caller, webhook_id, body, dry_run=asked.dry_run)
    return _answer(replay, response)


@router.post(
    "/webhooks/{webhook_id}/recover",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Recover what a webhook missed",
)
@may_raise(WebhookIsOff, ReplayUnderWay)
async def recover_webhook(
    caller: Admin,
    commands: AskingRecorded,
    webhook_id: UUID,
    asked: Annotated[DryRun, Query()],
    response: Response,
    body: RecoverWebhook | None = None,
) -> Envelope[Replay]:
    """Replay exactly what did not arrive since the webhook was turned off, or began to fail: what failed, expired or was cancelled,
    and events that came while it was off.
    """
    body = body or RecoverWebhook()
    replay = await replaying.recover_webhook(commands, caller, webhook_id, body, dry_run=asked.dry_run)
    return _answer(replay, response)


@router.get("/webhooks/{webhook_id}/replays", summary="List a webhook's replays")
async def list_webhook_replays(
    caller: Admin, commands: Asking, webhook_id: UUID, asked: Annotated[CursorQuery, Query()]
) -> Envelope[tuple[Replay, ...]]:
    """What was sent again to an endpoint, newest first."""
    page = await replaying.list_replays(commands, caller, webhook_id, asked)
    return Envelope(data=page.items, meta=CursorMeta(per_page=asked.per_page, next_cursor=page.next_cursor))


@router.get("/replays", summary="List replays")
async def list_replays(
    caller: Admin, commands: Asking, asked: Annotated[ListReplaysQuery, Query()]
) -> Envelope[tuple[Replay, ...]]:
    """Replays to all endpoints of the workspace, or to one, newest first."""
    page = await replaying.list_replays(commands, caller, asked.webhook_id, asked)
    return Envelope(data=page.items, meta=CursorMeta(per_page=asked.per_page, next_cursor=page.next_cursor))


@router.get("/replays/{replay_id}", summary="Get a replay")
async def get_replay(caller: Admin, commands: Asking, replay_id: UUID) -> Envelope[Replay]:
    """How far a replay has come."""
    return Envelope(data=await replaying.get_replay(commands, caller, replay_id))


@router.post("/replays/{replay_id}/cancel", status_code=status.HTTP_202_ACCEPTED, summary="Cancel a replay")
@may_raise(ReplayHasEnded)
async def cancel_replay(caller: Admin, commands: AskingRecorded, replay_id: UUID) -> Envelope[Replay]:
    """Send nothing more of a replay. Attempts under way end; every other delivery is as it was before."""
    return Envelope(data=await replaying.cancel_replay(commands, caller, replay_id))


def _answer(replay: Replay, response: Response) -> Envelope[Replay]:
    if replay.id is not None:
        response.headers["Location"] = f"/api/v1/replays/{replay.id}"
    return Envelope(data=replay)
