"""The commands on replays."""

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_replays import CancelReplay, CountReplay, GetReplay, ListReplays, StartReplay
from flowtask_contracts.commands.webhook_replays import Replay as ReplayView
from flowtask_kit.bus.answers import Answers
from flowtask_kit.service.worker import Worker

from . import service


def register(answers: Answers, replaying: Worker, *, keep_days: int) -> None:
    """Answer for replays; `replaying` works on them."""

    async def count(tx: AsyncSession, command: CountReplay) -> ReplayView:
        return await service.count(tx, command, keep_days)

    async def start(tx: AsyncSession, command: StartReplay) -> ReplayView:
        replaying.wake_after(tx)
        return await service.start(tx, command, keep_days)

    async def cancel(tx: AsyncSession, command: CancelReplay) -> ReplayView:
        replaying.wake_after(tx)
        return await service.cancel(tx, command)

    answers.to(CountReplay, count)
    answers.to(StartReplay, start)
    answers.to(GetReplay, service.get)
    answers.to(ListReplays, service.page)
    answers.to(CancelReplay, cancel)
