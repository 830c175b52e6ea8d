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
from flowtask_contracts.errors import ValidationFailed
from flowtask_kit.bus.answers import Answers

from . import service
from .service import EndpointRules


def register(answers: Answers, rules: EndpointRules) -> None:
    """Answer for endpoints."""

    async def objection(command: CreateEndpoint | UpdateEndpoint) -> ValidationFailed | None:
        return await rules.objection(command.url)

    async def create(tx: AsyncSession, command: CreateEndpoint, found: ValidationFailed | None) -> EndpointView:
        return await service.create(tx, rules, command, found)

    answers.to_prepared(CreateEndpoint, objection, create)
    answers.to_prepared(UpdateEndpoint, objection, service.change)
    answers.to(GetEndpoint, service.get)
    answers.to(ListEndpoints, service.page)
    answers.to(DeleteEndpoint, service.delete)
