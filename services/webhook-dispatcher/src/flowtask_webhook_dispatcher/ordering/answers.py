"""The commands on ordered endpoints."""

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_deliveries import Delivery as DeliveryView
from flowtask_contracts.commands.webhook_ordering import ListHeldKeys, SkipDelivery
from flowtask_kit.bus.answers import Answers

from . import service


def register(answers: Answers, wake: Callable[[], None]) -> None:
    """Answer for what is held up; `wake` tells the loop that sends what is due."""

    async def skip(tx: AsyncSession, command: SkipDelivery) -> DeliveryView:
        view = await service.skip(tx, command)
        event.listen(tx.sync_session, "after_commit", lambda _session: wake(), once=True)
        return view

    answers.to(ListHeldKeys, service.page)
    answers.to(SkipDelivery, skip)
