"""Asking the service that owns webhooks for replays."""

from typing import Any
from uuid import UUID

from pydantic import JsonValue

from flowtask_contracts.commands.webhook_replays import (
    CancelReplay,
    CountReplay,
    GetReplay,
    ListReplays,
    Replay,
    Replays,
    StartReplay,
)
from flowtask_kit.bus.commands import Commands

from ..audit.asking import Recording
from ..auth.models import Caller
from ..http.paging import CursorQuery
from .replay_schemas import RecoverWebhook, ReplayWebhook


async def replay_webhook(
    commands: Recording, caller: Caller, webhook_id: UUID, body: ReplayWebhook, *, dry_run: bool
) -> Replay:
    """Begin a replay, or count what it would send."""
    return await _ask(commands, caller, webhook_id, dict(body), "webhook.replayed", dry_run=dry_run)


async def recover_webhook(
    commands: Recording, caller: Caller, webhook_id: UUID, body: RecoverWebhook, *, dry_run: bool
) -> Replay:
    """The same for what was missed."""
    named = {**dict(body), "recovery": True}
    return await _ask(commands, caller, webhook_id, named, "webhook.recovered", dry_run=dry_run)


async def _ask(
    commands: Recording, caller: Caller, webhook_id: UUID, named: dict[str, Any], action: str, *, dry_run: bool
) -> Replay:
    if dry_run:
        count = CountReplay(workspace_id=caller.workspace_id, endpoint_id=webhook_id, **named)
        return await commands.ask_untold(count, Replay)
    command = StartReplay(workspace_id=caller.workspace_id, endpoint_id=webhook_id, **named)
    told: dict[str, JsonValue] = command.model_dump(
        mode="json", by_alias=True, include={"since", "until", "statuses", "events"}, exclude_unset=True
    )
    return await commands.ask(caller, command, Replay, action, target=webhook_id, details=told)


async def get_replay(commands: Commands, caller: Caller, replay_id: UUID) -> Replay:
    """How far a replay has come."""
    return await commands.ask(GetReplay(workspace_id=caller.workspace_id, replay_id=replay_id), Replay)


async def list_replays(commands: Commands, caller: Caller, webhook_id: UUID | None, asked: CursorQuery) -> Replays:
    """Replays of the workspace, or of one webhook, newest first."""
    command = ListReplays(
        workspace_id=caller.workspace_id, endpoint_id=webhook_id, cursor=asked.cursor, limit=asked.per_page
    )
    return await commands.ask(command, Replays)


async def cancel_replay(commands: Recording, caller: Caller, replay_id: UUID) -> Replay:
    """Have a replay send nothing more."""
    command = CancelReplay(workspace_id=caller.workspace_id, replay_id=replay_id)
    return await commands.ask(caller, command, Replay, "replay.cancelled", target=replay_id)
