"""The mailer as an ASGI app: probes outside, commands and events on the bus."""

from fastapi import FastAPI

from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.bus.answers import Answers
from flowtask_kit.bus.consumers import Consumers
from flowtask_kit.service.app import create_service
from flowtask_kit.service.resources import Resources

from .database import MIGRATIONS, CommandRecord, FailedMessage
from .emails import answers as email_answers
from .emails import consumers as email_consumers
from .emails.letters import Letters
from .emails.sending import Sending
from .erasure import consumers as erasure_consumers
from .erasure.loop import erasing
from .recipients import consumers as recipient_consumers
from .recipients.filling import Filling
from .settings import MailerSettings
from .transport import Transport
from .transport.capture import Capture

SERVICE = FLOWTASK.service("mailer")


def create_app(settings: MailerSettings, transport: Transport | None = None) -> FastAPI:
    """The service; mails are captured where no transport is given. Nothing connects before it starts."""
    resources = Resources.create(SERVICE, settings)
    bus, database, wake = resources.bus, resources.database, resources.wake
    sending = Sending(
        resources,
        transport or Capture(),
        Letters(settings.mail_app_url),
        sender=settings.mail_from,
        poll=settings.mail_poll_seconds,
    )
    filling = Filling(resources)
    consumers = Consumers(bus, database, wake, FailedMessage)
    erasures = erasing(database, wake)
    recipient_consumers.register(consumers, erasure_consumers.handlers(erasures))
    email_consumers.register(consumers, sending.worker)
    email_answers.register(Answers(bus, database, wake, CommandRecord, service=SERVICE.name))

    async def start_loops() -> None:
        for worker in (filling.worker, sending.worker, erasures):
            resources.background.start(worker.name, worker.run)

    return create_service(
        resources, MIGRATIONS, needs_bus=True, on_start=[start_loops], title="FlowTask mailer", openapi_url=None
    )
