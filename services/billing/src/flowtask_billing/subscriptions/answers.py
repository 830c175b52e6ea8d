"""The commands on subscriptions."""

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands import GetSubscription
from flowtask_contracts.resources import Subscription
from flowtask_kit.bus.answers import Answers

from . import service


def register(answers: Answers) -> None:
    """Answer for subscriptions."""

    async def get(tx: AsyncSession, command: GetSubscription) -> Subscription:
        return await service.get(tx, command.workspace_id)

    answers.to(GetSubscription, get)
