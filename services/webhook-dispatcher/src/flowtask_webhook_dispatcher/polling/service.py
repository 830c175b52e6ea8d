"""Handing out what waits for an endpoint that is polled.

A poll gives places, one after another, to deliveries that it sees and that have none, under the lock of the endpoint's
row. So a delivery whose transaction commits late gets a later place, and nothing ever appears in front of a cursor that was
handed out, however many replicas record deliveries, in whatever order.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_polls import PolledEvent, PolledEvents, PollEndpoint
from flowtask_kit.bus.replies import REPLY_BYTES

from ..dispatch.payload import PublicEvent
from ..endpoints.models import Endpoint
from ..endpoints.service import endpoint_of
from . import queries
from .cursors import cursor_at, place_in
from .errors import NotPolled
from .models import Polling

_ROOM = REPLY_BYTES - 32 * 1024
_AROUND = 512
"""Bytes that an event takes in a reply beside its body, at most."""


async def poll(tx: AsyncSession, command: PollEndpoint) -> PolledEvents:
    """What comes behind the cursor; what came up to it is acknowledged. Without one, what comes behind the last acknowledged.

    EndpointNotFound, NotPolled, ValidationFailed for a cursor that is not of this endpoint.
    """
    endpoint, _ = await endpoint_of(tx, command.workspace_id, command.endpoint_id)
    if not endpoint.polled:
        raise NotPolled
    polling = await _held(tx, endpoint)
    place = place_in(command.cursor, endpoint.id, polling.last_place)
    if place is None:
        place = polling.acknowledged
    elif place > polling.acknowledged:
        await tx.execute(queries.acknowledge(endpoint.id, polling.acknowledged, place))
        polling.acknowledged = place
    rows = await _next(tx, polling, place, command.limit + 1)
    chosen = _fitting(rows[: command.limit])
    return PolledEvents(
        items=await _events(tx, endpoint, chosen),
        next_cursor=cursor_at(endpoint.id, chosen[-1].place if chosen else place),
        has_more=len(rows) > len(chosen),
    )


async def _held(tx: AsyncSession, endpoint: Endpoint) -> Polling:
    """How far the endpoint has come, its row locked; the first poll makes it."""
    polling = await tx.scalar(queries.hold(endpoint.id))
    if polling is None:
        await tx.execute(queries.begin(endpoint.id))
        polling = (await tx.scalars(queries.hold(endpoint.id))).one()
    return polling


async def _next(tx: AsyncSession, polling: Polling, place: int, limit: int) -> Sequence[Any]:
    """What stands behind a place, as many as there is room for; where that is less, some that have no place get one first."""
    statement = queries.waiting(polling.endpoint_id, place, limit)
    rows: Sequence[Any] = (await tx.execute(statement)).all()
    fresh: Sequence[UUID] = ()
    if len(rows) < limit:
        fresh = (await tx.scalars(queries.without_place(polling.endpoint_id, limit - len(rows)))).all()
    if fresh:
        await tx.execute(queries.give_places(polling.endpoint_id, fresh, polling.last_place))
        polling.last_place += len(fresh)
        rows = (await tx.execute(statement)).all()
    return rows


def _fitting(rows: Sequence[Any]) -> Sequence[Any]:
    """The first of these, as many as a reply has room for, and one at least where there is any."""
    room = _ROOM
    for number, row in enumerate(rows):
        room -= row.size + _AROUND
        if room < 0 and number:
            return rows[:number]
    return rows


async def _events(tx: AsyncSession, endpoint: Endpoint, rows: Sequence[Any]) -> tuple[PolledEvent, ...]:
    """The bodies, each as it would be sent; of an event that was erased this very moment there is none."""
    if not rows:
        return ()
    found = (await tx.execute(queries.payloads([row.event_id for row in rows]))).all()
    payloads = {event_id: payload for event_id, payload, erased_at in found if erased_at is None}
    return tuple(
        _event(endpoint, PublicEvent.parse(payloads[row.event_id]), row.delivery_id)
        for row in rows
        if row.event_id in payloads
    )


def _event(endpoint: Endpoint, event: PublicEvent, delivery_id: UUID) -> PolledEvent:
    body = event.body(delivery_id, thin=endpoint.forms.thin(event.id))
    return PolledEvent(id=event.id, event=event.type, delivery_id=delivery_id, payload=orjson.loads(body))
