"""What owners ask about deliveries, and retrying one by hand."""

from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_deliveries import Attempt as AttemptView
from flowtask_contracts.commands.webhook_deliveries import (
    Deliveries,
    DeliveryDetail,
    EraseEvent,
    GetDelivery,
    ListDeliveries,
    RetryDelivery,
)
from flowtask_contracts.commands.webhook_deliveries import Delivery as DeliveryView
from flowtask_contracts.commands.webhooks import Done
from flowtask_contracts.webhook_content import LARGEST_BODY
from flowtask_kit.bus.replies import REPLY_BYTES, fitting
from flowtask_kit.ids import utc_now

from ..dispatch.payload import PublicEvent
from ..endpoints import queries as endpoint_queries
from ..endpoints.errors import EndpointNotFound
from . import queries
from .cursors import cursor_of, place_of
from .erasing import forget
from .errors import DeliveryNotFound, EndpointIsGone, EventIsErased, EventNotFound
from .models import Delivery, Standing

ATTEMPTS_BYTES = REPLY_BYTES - LARGEST_BODY - 16 * 1024
"""What attempts may take of a reply, beside the body that is sent and what else there is to say of a delivery."""

ATTEMPTS_SHOWN = 100


async def page(tx: AsyncSession, command: ListDeliveries) -> Deliveries:
    """A page of deliveries, newest first; the cursor is the last delivery id seen."""
    if command.endpoint_id is not None:
        known = await tx.scalar(endpoint_queries.any_endpoint(command.workspace_id, command.endpoint_id))
        if known is None:
            raise EndpointNotFound
    rows = (await tx.execute(queries.deliveries(command, place_of(command.cursor)))).all()
    shown = rows[: command.limit]
    return Deliveries(
        items=tuple(delivery.view(*standing) for delivery, standing in map(with_standing, shown)),
        next_cursor=cursor_of(shown[-1][0].event_id, shown[-1][0].endpoint_id) if len(rows) > command.limit else None,
    )


async def get(tx: AsyncSession, command: GetDelivery) -> DeliveryDetail:
    """One delivery with the body that is sent and as many of its attempts, from the latest back, as a reply has room for."""
    delivery, standing = await delivery_of(tx, command.workspace_id, command.delivery_id)
    message = (await tx.scalars(queries.message(delivery.event_id))).one()
    shown = delivery.view(*standing)
    log = await _attempts(tx, delivery, shown.next_attempt_at, command.attempts_before)
    payload = None
    if message.erased_at is None:
        endpoint = (await tx.scalars(endpoint_queries.any_endpoint(command.workspace_id, delivery.endpoint_id))).one()
        event, thin = PublicEvent.parse(message.payload), endpoint.forms.thin(delivery.event_id)
        payload = orjson.loads(event.body(delivery.delivery_id, thin=thin))
    return DeliveryDetail(
        **dict(shown),
        payload=payload,
        attempt_log=log,
        earlier_attempts=log[0].number - 1 if log else 0,
    )


async def retry(tx: AsyncSession, command: RetryDelivery) -> DeliveryView:
    """Have one more attempt made now, outside the schedule; it adds to the delivery and never undoes `delivered`.

    Where the endpoint is polled it is handed out once more.
    """
    delivery, _ = await delivery_of(tx, command.workspace_id, command.delivery_id)
    endpoint = await tx.scalar(endpoint_queries.endpoint(command.workspace_id, delivery.endpoint_id))
    if endpoint is None:
        raise EndpointIsGone
    message = (await tx.scalars(queries.message(delivery.event_id))).one()
    if message.erased_at is not None:
        raise EventIsErased
    if endpoint.polled:
        await tx.execute(queries.hand_out_again(delivery))
    else:
        await tx.execute(queries.due_now(delivery, message.stream_seq))
    await tx.execute(queries.pending_again(delivery))
    delivery, standing = await delivery_of(tx, command.workspace_id, command.delivery_id, fresh=True)
    return delivery.view(*standing)


async def erase(tx: AsyncSession, command: EraseEvent) -> Done:
    """Forget what an event said and what was answered to it; that it was, and when, stays on record. Repeating changes nothing.

    What is recorded of it from the commit on has no content either; `erasing` looks after those who had begun before.
    """
    if await tx.scalar(queries.erase_message(command.workspace_id, command.event_id)) is None:
        raise EventNotFound
    await tx.execute(queries.mark_erased(command.event_id, utc_now()))
    await forget(tx, command.event_id)
    return Done()


async def _attempts(
    tx: AsyncSession, delivery: Delivery, due_at: datetime | None, before: int | None
) -> tuple[AttemptView, ...]:
    """The latest attempts before a number, oldest first: at least one, and no more than take `ATTEMPTS_BYTES` in a reply."""
    times = (await tx.execute(queries.attempt_times(delivery.event_id, delivery.endpoint_id))).all()
    following = dict(zip((number for number, _ in times), (*(at for _, at in times[1:]), due_at), strict=False))
    latest = await tx.scalars(queries.attempts(delivery.event_id, delivery.endpoint_id, before, ATTEMPTS_SHOWN))
    views = (attempt.view(following.get(attempt.attempt_no)) for attempt in latest)
    return tuple(reversed(fitting(views, ATTEMPTS_BYTES)))


async def delivery_of(
    tx: AsyncSession, workspace_id: UUID, delivery_id: UUID, *, fresh: bool = False
) -> tuple[Delivery, Standing]:
    """A delivery of the workspace and how it stands; DeliveryNotFound if there is none."""
    statement = queries.delivery(workspace_id, delivery_id).execution_options(populate_existing=fresh)
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        raise DeliveryNotFound
    return with_standing(row)


def with_standing(row: Row[Delivery, datetime | None, UUID | None, datetime | None]) -> tuple[Delivery, Standing]:
    """A delivery and how it stands, as `queries.deliveries` has them."""
    return row[0], Standing(row[1], row[2], row[3])
