"""Creating, changing and removing endpoints."""

from ipaddress import ip_address
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhooks import (
    CreateEndpoint,
    DeleteEndpoint,
    Done,
    Endpoints,
    GetEndpoint,
    ListEndpoints,
    UpdateEndpoint,
)
from flowtask_contracts.commands.webhooks import Endpoint as EndpointView
from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_kit.cursors import cursor_id
from flowtask_kit.ids import new_id, utc_now

from ..erasure.queries import is_erased
from ..keyring import KeyRing, new_secret
from ..transport import AddressPolicy, InvalidUrl, parse_url
from . import patterns, queries
from .errors import EndpointNotFound, TooManyEndpoints, WorkspaceIsErased
from .models import Endpoint


class EndpointRules:
    """What an installation accepts as an endpoint, and the ring that keeps its secrets."""

    def __init__(self, keyring: KeyRing, policy: AddressPolicy, *, allow_http: bool, most: int) -> None:
        self.keyring = keyring
        self.most = most
        self._policy = policy
        self._allow_http = allow_http

    def url(self, url: str) -> str:
        """The URL, if webhooks may go there; names are resolved and checked anew at every connection."""
        try:
            target = parse_url(url, allow_http=self._allow_http)
        except InvalidUrl as error:
            raise ValidationFailed(details=[ErrorDetail(field="url", message=str(error))]) from error
        try:
            literal = ip_address(target.host)
        except ValueError:
            return url
        if self._policy.refusal(literal) is not None:
            raise ValidationFailed(details=[ErrorDetail(field="url", message="this address is not allowed")])
        return url


async def create(tx: AsyncSession, rules: EndpointRules, command: CreateEndpoint) -> EndpointView:
    """Subscribe a URL under a new secret, which only this answer shows."""
    url, events = rules.url(command.url), patterns.check(command.events)
    revision = await _next_revision(tx)
    if await tx.scalar(is_erased(command.workspace_id)) is not None:
        raise WorkspaceIsErased
    if (await tx.scalar(queries.count(command.workspace_id)) or 0) >= rules.most:
        raise TooManyEndpoints
    endpoint_id, secret, now = new_id(), new_secret(), utc_now()
    endpoint = Endpoint(
        id=endpoint_id,
        workspace_id=command.workspace_id,
        url=url,
        events=events,
        description=command.description,
        active=command.active,
        secret=rules.keyring.encrypt(endpoint_id, secret),
        created_by=command.created_by,
        created_at=now,
        updated_at=now,
        revision=revision,
    )
    tx.add(endpoint)
    await tx.flush()
    await tx.execute(queries.state_of(endpoint_id))
    return endpoint.view(secret)


async def get(tx: AsyncSession, command: GetEndpoint) -> EndpointView:
    """One endpoint of the workspace."""
    return (await _endpoint(tx, command.workspace_id, command.endpoint_id)).view()


async def page(tx: AsyncSession, command: ListEndpoints) -> Endpoints:
    """A page of the workspace's endpoints; the cursor is the last id seen."""
    before = cursor_id(command.cursor)
    rows = (await tx.scalars(queries.endpoints(command.workspace_id, before, command.limit + 1))).all()
    shown = rows[: command.limit]
    return Endpoints(
        items=tuple(row.view() for row in shown),
        next_cursor=str(shown[-1].id) if len(rows) > command.limit else None,
    )


async def change(tx: AsyncSession, rules: EndpointRules, command: UpdateEndpoint) -> EndpointView:
    """Set the fields that the command names; the others stay."""
    named = command.model_fields_set
    revision = await _next_revision(tx)
    endpoint = await _endpoint(tx, command.workspace_id, command.endpoint_id)
    if command.url is not None:
        endpoint.url = rules.url(command.url)
    if command.events is not None:
        endpoint.events = patterns.check(command.events)
    if "description" in named:
        endpoint.description = command.description
    if command.active is not None:
        endpoint.active = command.active
    endpoint.updated_at, endpoint.revision = utc_now(), revision
    return endpoint.view()


async def delete(tx: AsyncSession, command: DeleteEndpoint) -> Done:
    """End the subscription: nothing new is sent from the commit on, and what is due is cancelled soon after."""
    revision = await _next_revision(tx)
    endpoint = await _endpoint(tx, command.workspace_id, command.endpoint_id)
    endpoint.deleted_at = endpoint.updated_at = utc_now()
    endpoint.active, endpoint.secret, endpoint.revision = False, None, revision
    return Done()


async def _endpoint(tx: AsyncSession, workspace_id: UUID, endpoint_id: UUID) -> Endpoint:
    endpoint = await tx.scalar(queries.endpoint(workspace_id, endpoint_id))
    if endpoint is None:
        raise EndpointNotFound
    return endpoint


async def _next_revision(tx: AsyncSession) -> int:
    revision = await tx.scalar(queries.next_revision())
    assert revision is not None
    return revision
