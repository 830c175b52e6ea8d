"""The commands on endpoints."""

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhooks import (
    CreateEndpoint,
    DeleteEndpoint,
    GetEndpoint,
    ListEndpoints,
    UpdateEndpoint,
)
from flowtask_contracts.commands.webhooks import Endpoint as EndpointView
from flowtask_kit.bus.answers import Answers

from . import service
from .service import EndpointRules


def register(answers: Answers, rules: EndpointRules) -> None:
    """Answer for endpoints."""

    async def create(tx: AsyncSession, command: CreateEndpoint) -> EndpointView:
        return await service.create(tx, rules, command)

    async def change(tx: AsyncSession, command: UpdateEndpoint) -> EndpointView:
        return await service.change(tx, rules, command)

    answers.to(CreateEndpoint, create)
    answers.to(UpdateEndpoint, change)
    answers.to(GetEndpoint, service.get)
    answers.to(ListEndpoints, service.page)
    answers.to(DeleteEndpoint, service.delete)
