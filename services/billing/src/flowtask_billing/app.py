"""Billing as an ASGI app: probes outside, commands and events on the bus."""

from fastapi import FastAPI

from flowtask_contracts.topology import FLOWTASK
from flowtask_kit.bus.answers import Answers
from flowtask_kit.bus.consumers import Consumers
from flowtask_kit.service.app import create_service
from flowtask_kit.service.resources import Resources

from .database import MIGRATIONS, CommandRecord, FailedMessage
from .settings import BillingSettings
from .subscriptions import answers as subscription_answers
from .subscriptions import consumers as subscription_consumers

SERVICE = FLOWTASK.service("billing")


def create_app(settings: BillingSettings) -> FastAPI:
    """The service; nothing connects before it starts."""
    resources = Resources.create(SERVICE, settings)
    bus, database, wake = resources.bus, resources.database, resources.wake
    subscription_answers.register(Answers(bus, database, wake, CommandRecord, service=SERVICE.name))
    subscription_consumers.register(Consumers(bus, database, wake, FailedMessage))
    return create_service(resources, MIGRATIONS, needs_bus=True, title="FlowTask billing", openapi_url=None)
