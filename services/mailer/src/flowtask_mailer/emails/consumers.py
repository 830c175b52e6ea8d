"""What people are written to about."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.events import CloudEvent, TaskAssigned, WebhookDisabled, WebhookFailing
from flowtask_contracts.resources import Task
from flowtask_contracts.topology import MAILER_TASKS, MAILER_WEBHOOKS
from flowtask_kit.bus.consumers import Consumers
from flowtask_kit.ids import utc_now
from flowtask_kit.service.worker import Worker

from ..recipients import service as recipients
from . import service
from .letters import TASK_ASSIGNED


def register(consumers: Consumers, sending: Worker) -> None:
    """Hear of tasks and webhooks; what is queued is sent at once."""

    async def task_assigned(tx: AsyncSession, event: CloudEvent) -> None:
        assignee: UUID | None = Task.model_validate(event.data).assignee_id
        if assignee is None:
            return
        facts = {"task": event.data, "actor": event.actor}
        await service.queue(tx, event, kind=TASK_ASSIGNED, to=assignee, facts=facts, now=utc_now())
        sending.wake_after(tx)

    async def webhook_in_trouble(tx: AsyncSession, event: CloudEvent) -> None:
        """Every owner is written to; who they are may not be known yet, then the event comes again."""
        facts = {"webhook": event.data}
        for owner in await recipients.owners(tx, event.workspaceid):
            await service.queue(tx, event, kind=event.type, to=owner, facts=facts, now=utc_now())
        sending.wake_after(tx)

    consumers.on(MAILER_TASKS, {TaskAssigned: task_assigned})
    consumers.on(MAILER_WEBHOOKS, {WebhookFailing: webhook_in_trouble, WebhookDisabled: webhook_in_trouble})
