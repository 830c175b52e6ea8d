"""Trying a filter out: what it would have said of the latest events."""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_filters import FilterTrial, TriedEvent, TryFilter
from flowtask_contracts.webhook_filters import check

from ..dispatch.payload import PublicEvent
from ..endpoints import patterns
from ..endpoints.service import endpoint_of
from . import queries
from .compiling import compiled


async def attempt(tx: AsyncSession, command: TryFilter) -> FilterTrial:
    """Judge the latest events as intake would; ValidationFailed for a bad filter or type, EndpointNotFound.

    Event types and filter that are not named are those of the endpoint; without one they are `*` and none.
    """
    wanted = await _judge(tx, command)
    items = []
    for event_id in (await tx.scalars(queries.latest(command.workspace_id, command.limit))).all():
        raw = await tx.scalar(queries.payload(event_id))  # one by one: a hundred of them may be large
        if raw is None:
            continue
        event = PublicEvent.parse(raw)
        items.append(
            TriedEvent(
                id=event.id, type=event.type, resource_id=event.resource_id, time=event.time, matches=wanted(event)
            )
        )
    return FilterTrial(examined=len(items), matched=sum(each.matches for each in items), items=tuple(items))


async def _judge(tx: AsyncSession, command: TryFilter) -> Callable[[PublicEvent], bool]:
    named, form = command.model_fields_set, command.filter
    events: Sequence[str] = ("*",)
    if command.endpoint_id is not None:
        endpoint, _ = await endpoint_of(tx, command.workspace_id, command.endpoint_id)
        events = endpoint.events
        form = form if "filter" in named else endpoint.filter
    if command.events is not None:
        events = patterns.check(command.events)
    if form is not None:
        check(form)
    holds = None if form is None else compiled(form)
    return lambda event: patterns.matches(events, event.type) and (holds is None or holds(event.document))
