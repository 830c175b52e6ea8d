"""Judging endpoints to which nothing arrives, and telling of them."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhooks import DisabledReason
from flowtask_contracts.events import WebhookDisabled, WebhookFailing, WebhookRecovered
from flowtask_contracts.events.webhooks import WebhookEvent
from flowtask_contracts.resources import WebhookStanding
from flowtask_kit import logs
from flowtask_kit.ids import utc_now

from ..database import Outbox
from ..endpoints.errors import EndpointNotFound
from ..endpoints.models import Endpoint, EndpointState
from ..endpoints.revisions import revise
from ..endpoints.service import endpoint_of, held
from ..health.models import SLOT
from . import queries
from .rules import DISABLED, REST, Disable, Warn, judge

log = logs.get(__name__)

JOB = "failing-webhooks"
"""The name under which the hours are on record in which endpoints were looked at."""

_FIRST_LOOK = timedelta(days=7)
_DOUBT = timedelta(hours=1)
"""For so long after the time began the log is asked whether something has arrived in its first minutes."""


async def learn(tx: AsyncSession, slot: datetime) -> None:
    """Note since when each endpoint has been failing, from what was counted since the last look."""
    before = await tx.scalar(queries.looked_before(JOB, slot))
    since = (before or slot - _FIRST_LOOK) - 2 * SLOT  # counts of a moment are written a little later
    await tx.execute(queries.learn(since, REST))


async def candidates(tx: AsyncSession, slot: datetime, limit: int) -> list[tuple[UUID, UUID]]:
    """Endpoints of which there may be something to tell: they have been failing for half of the time."""
    rows = await tx.execute(queries.long_failing(slot - timedelta(hours=limit) / 2, slot - REST))
    return [(workspace_id, endpoint_id) for workspace_id, endpoint_id in rows]


async def review(tx: AsyncSession, workspace_id: UUID, endpoint_id: UUID, limit: int) -> None:
    """Warn the owner of an endpoint, or disable it, if it is time; what is on record of attempts decides, to the last one.

    The log is asked before the endpoint is locked, for that may take long.
    """
    try:
        _, state = await endpoint_of(tx, workspace_id, endpoint_id)
        since, arrived = state.failing_since, await _arrived(tx, state, limit)
        endpoint, state = await held(tx, workspace_id, endpoint_id)
    except EndpointNotFound:
        return
    if not endpoint.active or since is None or state.failing_since != since:
        return
    if arrived is not None:
        state.arrive(arrived)
    hours = await _hours(tx, state)
    match judge(hours, limit, state.warned):
        case Disable():
            endpoint.disable(DisabledReason.FAILING, utc_now())
            state.miss(state.failing_since)
            state.warned = DISABLED
            tell(tx, WebhookDisabled, endpoint, state, hours, limit)
            revise(tx, endpoint.id)
            log.warning("webhook disabled: nothing has arrived for long", endpoint_id=str(endpoint.id), hours=hours)
        case _ if arrived is not None:
            if state.warned:
                await _offer(tx, state, since)
                state.warned = 0
                tell(tx, WebhookRecovered, endpoint, state, 0, limit)
        case Warn(percent):
            state.warned = percent
            tell(tx, WebhookFailing, endpoint, state, hours, limit)


async def _offer(tx: AsyncSession, state: EndpointState, since: datetime | None) -> None:
    """Have its owner offered what was given up while nothing arrived, if anything was."""
    if since is not None and await tx.scalar(queries.given_up(state.endpoint_id, since)):
        state.miss(since)


async def _arrived(tx: AsyncSession, state: EndpointState, limit: int) -> datetime | None:
    """When something arrived the last time, of an endpoint that would be disabled: a success that the counts have lost."""
    if state.failing_since is None or judge(await _hours(tx, state), limit, state.warned) != Disable():
        return None
    return await tx.scalar(queries.last_arrival(state.endpoint_id, state.failing_since))


async def _hours(tx: AsyncSession, state: EndpointState) -> int:
    """For how many hours an endpoint has been failing."""
    if state.failing_since is None or state.failed_at is None:
        return 0
    return await tx.scalar(queries.hours_between(JOB, state.failing_since, state.failed_at + timedelta(hours=1))) or 0


async def next_news(tx: AsyncSession, limit: int) -> bool:
    """Tell of one endpoint that its receiver has disabled, or that works again; False when there is none."""
    row = (await tx.execute(queries.untold())).first()
    if row is not None:
        endpoint, state = row
        state.warned = DISABLED
        tell(tx, WebhookDisabled, endpoint, state, 0, limit)
        return True
    for endpoint_id, since, certain in (await tx.execute(queries.recovering(utc_now() - _DOUBT))).all():
        if not certain and await tx.scalar(queries.last_arrival(endpoint_id, since)) is None:
            continue
        row = (await tx.execute(queries.told(endpoint_id, since))).first()
        if row is not None:
            endpoint, state = row
            await _offer(tx, state, state.failing_since)
            state.recover()
            tell(tx, WebhookRecovered, endpoint, state, 0, limit)
            return True
    return False


def tell(
    tx: AsyncSession, kind: type[WebhookEvent], endpoint: Endpoint, state: EndpointState, hours: int, limit: int
) -> None:
    """Put an event of an endpoint on its way, in the transaction of what it tells."""
    state.told += 1
    standing = WebhookStanding(
        id=endpoint.id,
        description=endpoint.description,
        active=endpoint.active,
        failing_since=state.failing_since if state.warned else None,
        percent=state.warned,
        hours=hours,
        limit_hours=limit,
        disabled_at=endpoint.disabled_at,
        disabled_reason=endpoint.disabled_reason,
        missed_since=state.missed_since,
    )
    event = kind(
        workspace_id=endpoint.workspace_id,
        subject=endpoint.id,
        time=utc_now(),
        actor="system",
        version=state.told,
        data=standing,
    )
    tx.add(Outbox.of(event))
