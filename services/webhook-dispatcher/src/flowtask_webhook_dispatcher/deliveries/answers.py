"""The commands on deliveries."""

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_deliveries import Delivery as DeliveryView
from flowtask_contracts.commands.webhook_deliveries import EraseEvent, GetDelivery, ListDeliveries, RetryDelivery
from flowtask_contracts.commands.webhooks import Done
from flowtask_kit.bus.answers import Answers
from flowtask_kit.service.worker import Worker

from . import service


def register(answers: Answers, wake: Callable[[], None], erasing: Worker) -> None:
    """Answer for deliveries; `wake` tells the loop that sends what is due, `erasing` finishes what an erasure begins."""

    async def retry(tx: AsyncSession, command: RetryDelivery) -> DeliveryView:
        view = await service.retry(tx, command)
        event.listen(tx.sync_session, "after_commit", lambda _session: wake(), once=True)
        return view

    async def erase(tx: AsyncSession, command: EraseEvent) -> Done:
        erasing.wake_after(tx)
        return await service.erase(tx, command)

    answers.to(ListDeliveries, service.page)
    answers.to(GetDelivery, service.get)
    answers.to(RetryDelivery, retry)
    answers.to(EraseEvent, erase)
