"""Planning, starting, watching and cancelling replays."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_replays import (
    LOST,
    CancelReplay,
    CountReplay,
    GetReplay,
    ListReplays,
    Replayed,
    Replays,
    ReplayStatus,
    StartReplay,
    WaitingFor,
)
from flowtask_contracts.commands.webhook_replays import Replay as ReplayView
from flowtask_contracts.commands.webhooks import Circuit
from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_kit.cursors import cursor_id
from flowtask_kit.ids import new_id, utc_now

from ..endpoints import patterns
from ..endpoints import queries as endpoint_queries
from ..endpoints.errors import EndpointNotFound, NothingIsSent
from ..endpoints.models import Endpoint, EndpointState
from ..endpoints.service import endpoint_of, held
from . import looking, queries
from .errors import ReplayHasEnded, ReplayNotFound, ReplayUnderWay, WebhookIsOff
from .models import Replay, planned
from .walking import withdraw

COUNT_SECONDS = 2.0
"""How long is counted before the answer; what is left of it then is counted before anything is sent."""

SETTLING = timedelta(seconds=3)
"""How long after an endpoint was turned on, or changed, there may be events that are not on record yet and did not go to it."""


ON_THEIR_WAY = timedelta(minutes=1)
"""Events that happened so long before an endpoint was turned off may have been heard after that."""


async def count(tx: AsyncSession, command: CountReplay, keep_days: int) -> ReplayView:
    """What a replay would be of, to the event, or as many as were counted in two seconds; ValidationFailed, EndpointNotFound."""
    endpoint, state = await _sent_to(tx, command)
    now = utc_now()
    plan = _plan(command, state, now, keep_days)
    await looking.count(tx, plan, endpoint, looking.oldest_kept(now.date(), keep_days), COUNT_SECONDS)
    return plan.view()


async def start(tx: AsyncSession, command: StartReplay, keep_days: int) -> ReplayView:
    """Begin a replay; beside what `count` raises, WebhookIsOff, and ReplayUnderWay while the endpoint has another one."""
    endpoint, state = await _sent_to(tx, command)
    now = utc_now()
    replay = _plan(command, state, now, keep_days)
    if endpoint.active:  # else it is refused below
        await looking.count(tx, replay, endpoint, looking.oldest_kept(now.date(), keep_days), COUNT_SECONDS)
    endpoint, state = await held(tx, command.workspace_id, command.endpoint_id)
    if not endpoint.active:
        raise WebhookIsOff
    if (other := await tx.scalar(queries.unfinished(endpoint.id))) is not None:
        raise ReplayUnderWay(details=[ErrorDetail(field="webhookId", message=f"its replay is {other}")])
    replay.created_at = replay.due_at = now
    if Replayed.MISSING in replay.statuses:
        replay.due_at = max(now, min(max(endpoint.updated_at, replay.until), now) + SETTLING)
    tx.add(replay)
    await tx.flush()
    return replay.view(_waiting_for(endpoint, state, now))


async def get(tx: AsyncSession, command: GetReplay) -> ReplayView:
    """How far one replay has come; ReplayNotFound for another workspace's."""
    replay = await tx.scalar(queries.replay(command.workspace_id, command.replay_id))
    if replay is None:
        raise ReplayNotFound
    return await _shown(tx, replay)


async def page(tx: AsyncSession, command: ListReplays) -> Replays:
    """A page of replays, newest first; the cursor is the last id seen."""
    if command.endpoint_id is not None:
        known = await tx.scalar(endpoint_queries.any_endpoint(command.workspace_id, command.endpoint_id))
        if known is None:
            raise EndpointNotFound
    before = cursor_id(command.cursor)
    found = await tx.scalars(queries.replays(command.workspace_id, command.endpoint_id, before, command.limit + 1))
    rows = found.all()
    shown = rows[: command.limit]
    views = [await _shown(tx, replay) for replay in shown]
    return Replays(items=tuple(views), next_cursor=str(shown[-1].id) if len(rows) > len(shown) else None)


async def cancel(tx: AsyncSession, command: CancelReplay) -> ReplayView:
    """Take back what waits; from the commit on nothing more of it is begun. ReplayHasEnded for one that is completed."""
    replay = await tx.scalar(queries.replay(command.workspace_id, command.replay_id).with_for_update())
    if replay is None:
        raise ReplayNotFound
    if replay.status == ReplayStatus.COMPLETED:
        raise ReplayHasEnded
    if replay.unfinished:
        replay.cancel(utc_now())
        await withdraw(tx, replay)
    return replay.view()


async def _sent_to(tx: AsyncSession, command: CountReplay | StartReplay) -> tuple[Endpoint, EndpointState]:
    """The endpoint; EndpointNotFound, NothingIsSent where it is polled: an earlier cursor brings everything again."""
    endpoint, state = await endpoint_of(tx, command.workspace_id, command.endpoint_id)
    if endpoint.polled:
        raise NothingIsSent
    return endpoint, state


def _plan(command: CountReplay | StartReplay, state: EndpointState, now: datetime, keep_days: int) -> Replay:
    """What is asked for, as far as it is kept; ValidationFailed names the field that is wrong."""
    since = command.since
    if since is None and command.recovery:
        since = state.missed_since or state.failing_since
        if since is None:
            raise _refused("since", "is needed: nothing is known to have been missed")
        since -= ON_THEIR_WAY
    if since is None:
        raise _refused("since", "is needed")
    since, until = max(since, now - timedelta(days=keep_days)), min(command.until or now, now)
    if since >= until:
        raise _refused("since", "must be before `until`, and neither in the future nor older than what is kept")
    return planned(
        replay_id=new_id(),
        workspace_id=command.workspace_id,
        endpoint_id=command.endpoint_id,
        recovery=command.recovery,
        span=(since, until),
        statuses=LOST if command.recovery else tuple(dict.fromkeys(command.statuses)),
        events=("*",) if command.recovery else patterns.check(command.events),
    )


async def _shown(tx: AsyncSession, replay: Replay) -> ReplayView:
    row = None
    if replay.unfinished:
        statement = endpoint_queries.endpoint_with_state(replay.workspace_id, replay.endpoint_id)
        row = (await tx.execute(statement)).one_or_none()
    return replay.view(None if row is None else _waiting_for(row[0], row[1], utc_now()))


def _waiting_for(endpoint: Endpoint, state: EndpointState, now: datetime) -> WaitingFor | None:
    if not endpoint.active:
        return WaitingFor.WEBHOOK
    return WaitingFor.CIRCUIT if state.breaker.circuit(now) is Circuit.OPEN else None


def _refused(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(details=[ErrorDetail(field=field, message=message)])
