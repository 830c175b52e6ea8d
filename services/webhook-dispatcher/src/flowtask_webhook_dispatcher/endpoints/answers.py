"""The commands on endpoints."""

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_secrets import (
    EndOverlap,
    EndpointSecret,
    GetEndpointSecret,
    GetPublicKeys,
    PublicKeys,
    RotateSecret,
)
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

from . import secrets, service
from .service import EndpointRules


def register(answers: Answers, rules: EndpointRules) -> None:
    """Answer for endpoints."""

    async def objection(command: CreateEndpoint | UpdateEndpoint) -> ValidationFailed | None:
        return await rules.objection(command.url)

    async def create(tx: AsyncSession, command: CreateEndpoint, found: ValidationFailed | None) -> EndpointView:
        return await service.create(tx, rules, command, found)

    async def change(tx: AsyncSession, command: UpdateEndpoint, found: ValidationFailed | None) -> EndpointView:
        return await service.change(tx, rules, command, found)

    async def show(tx: AsyncSession, command: GetEndpointSecret) -> EndpointSecret:
        return await secrets.show(tx, rules.keyring, command)

    async def rotate(tx: AsyncSession, command: RotateSecret) -> EndpointSecret:
        return await secrets.rotate(tx, rules.keyring, command)

    async def public(tx: AsyncSession, command: GetPublicKeys) -> PublicKeys:
        return await secrets.public_keys(tx, rules.keyring, command)

    answers.to_prepared(CreateEndpoint, objection, create)
    answers.to_prepared(UpdateEndpoint, objection, change)
    answers.to(GetEndpoint, service.get)
    answers.to(ListEndpoints, service.page)
    answers.to(DeleteEndpoint, service.delete)
    answers.to(GetEndpointSecret, show)
    answers.to(GetPublicKeys, public)
    answers.to(RotateSecret, rotate)
    answers.to(EndOverlap, secrets.end_overlap)
