"""The commands on deliveries."""

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_deliveries import Delivery as DeliveryView
from flowtask_contracts.commands.webhook_deliveries import EraseEvent, GetDelivery, ListDeliveries, RetryDelivery
from flowtask_kit.bus.answers import Answers

from . import service


def register(answers: Answers, wake: Callable[[], None]) -> None:
    """Answer for deliveries; `wake` tells the loop that sends what is due."""

    async def retry(tx: AsyncSession, command: RetryDelivery) -> DeliveryView:
        view = await service.retry(tx, command)
        event.listen(tx.sync_session, "after_commit", lambda _session: wake(), once=True)
        return view

    answers.to(ListDeliveries, service.page)
    answers.to(GetDelivery, service.get)
    answers.to(RetryDelivery, retry)
    answers.to(EraseEvent, service.erase)
