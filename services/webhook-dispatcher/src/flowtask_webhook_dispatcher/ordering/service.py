"""Which keys are held up, and by what; and skipping that."""

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_deliveries import Delivery as DeliveryView
from flowtask_contracts.commands.webhook_ordering import (
    MOST_COUNTED,
    AttemptUnderWay,
    HeldKey,
    HeldKeys,
    HoldsUpNothing,
    ListHeldKeys,
    SkipDelivery,
)
from flowtask_contracts.commands.webhooks import Ordering
from flowtask_kit.cursors import cursor_id
from flowtask_kit.ids import utc_now

from ..deliveries.service import delivery_of
from ..endpoints import queries as endpoint_queries
from ..endpoints.models import Endpoint
from ..endpoints.revisions import revise
from ..endpoints.service import endpoint_of
from . import queries

_UNDER_WAY_SECONDS = 5


async def page(tx: AsyncSession, command: ListHeldKeys) -> HeldKeys:
    """A page of an endpoint's keys that are held up, the oldest event first; the cursor is the last delivery id seen."""
    endpoint, _ = await endpoint_of(tx, command.workspace_id, command.endpoint_id)
    statement = queries.held(endpoint.id, cursor_id(command.cursor), command.limit + 1)
    rows = (await tx.execute(statement)).mappings().all()
    items = []
    for row in rows[: command.limit]:
        told = {**row, "ordering": Ordering.PROJECT if row["grouped"] else Ordering.RESOURCE}
        told |= {"waiting": min(row["waiting"], MOST_COUNTED), "waiting_capped": row["waiting"] > MOST_COUNTED}
        items.append(HeldKey(**{name: told[name] for name in HeldKey.model_fields}))
    return HeldKeys(items=tuple(items), next_cursor=str(items[-1].delivery_id) if len(rows) > command.limit else None)


async def skip(tx: AsyncSession, command: SkipDelivery) -> DeliveryView:
    """Give up a delivery that others wait for, or may: it is cancelled, or stays failed, and the next one has its turn.

    DeliveryNotFound; HoldsUpNothing for what is not due in order; AttemptUnderWay for what is being sent, since the next one must
    not arrive before it.
    """
    delivery, _ = await delivery_of(tx, command.workspace_id, command.delivery_id)
    due = (await tx.execute(queries.due_of(delivery.delivery_id, utc_now()))).one_or_none()
    if due is None or due[0] is None:
        raise HoldsUpNothing
    if due[1]:
        raise AttemptUnderWay(retry_after=_UNDER_WAY_SECONDS)
    await tx.execute(endpoint_queries.hold(Endpoint.id == delivery.endpoint_id))
    await tx.execute(queries.remove(delivery.delivery_id))
    await tx.execute(queries.give_up(delivery))
    revise(tx, delivery.endpoint_id)  # so that the replica that sends to it looks at its keys at once
    delivery, standing = await delivery_of(tx, command.workspace_id, command.delivery_id, fresh=True)
    return delivery.view(*standing)
