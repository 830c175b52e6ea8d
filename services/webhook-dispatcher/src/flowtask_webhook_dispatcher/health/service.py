"""How an endpoint has been doing."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhooks import EndpointHealth, GetEndpoint, GetEndpointHealth
from flowtask_kit.ids import utc_now

from ..endpoints.service import get
from . import queries
from .models import SLOT, health_of

WINDOWS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}


async def of_endpoint(tx: AsyncSession, command: GetEndpointHealth) -> EndpointHealth:
    """Rates and times in the last hour, day and week, to five minutes; EndpointNotFound for another workspace's."""
    asked = GetEndpoint(workspace_id=command.workspace_id, endpoint_id=command.endpoint_id)
    endpoint, now = await get(tx, asked), utc_now()
    windows = []
    for name, span in WINDOWS.items():
        rows = await tx.execute(queries.counts(endpoint.id, now - span - SLOT))
        windows.append(health_of(name, {(delivered, bucket): number for delivered, bucket, number in rows}))
    return EndpointHealth(
        circuit=endpoint.circuit,
        held_until=endpoint.held_until,
        disabled_at=endpoint.disabled_at,
        disabled_reason=endpoint.disabled_reason,
        windows=tuple(windows),
    )
