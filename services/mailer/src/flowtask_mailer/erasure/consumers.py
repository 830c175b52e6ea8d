"""What the mailer does when it hears that somebody is erased."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.events import CloudEvent, Event, UserErased, WorkspaceErased
from flowtask_contracts.resources import Erased
from flowtask_kit.bus.consumers import Handler
from flowtask_kit.service.worker import Worker

from . import service
from .models import Kind


def handlers(erasing: Worker) -> Mapping[type[Event], Handler]:
    """What to do for each event; `erasing` is the loop that goes on with it."""

    def erase(kind: Kind) -> Handler:
        async def heard(tx: AsyncSession, event: CloudEvent) -> None:
            await service.begin(tx, Erased.model_validate(event.data).id, kind)
            erasing.wake_after(tx)

        return heard

    return {UserErased: erase(Kind.USER), WorkspaceErased: erase(Kind.WORKSPACE)}
