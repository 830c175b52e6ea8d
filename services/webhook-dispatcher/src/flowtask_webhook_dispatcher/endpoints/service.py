"""Creating, changing and removing endpoints."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhooks import (
    CreateEndpoint,
    DeleteEndpoint,
    Done,
    Endpoints,
    GetEndpoint,
    ListEndpoints,
    Ordering,
    RetryPolicy,
    Signature,
    UpdateEndpoint,
)
from flowtask_contracts.commands.webhooks import Endpoint as EndpointView
from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_contracts.webhook_content import DeliveryMode, check_destination
from flowtask_contracts.webhook_filters import check as check_filter
from flowtask_kit.bus.replies import REPLY_BYTES, fitting
from flowtask_kit.cursors import cursor_id
from flowtask_kit.ids import new_id, utc_now

from ..erasure.queries import is_erased
from ..keyring import CannotDecrypt, KeyRing, new_secret, sealed_private_key
from ..transport import Admission
from . import content, patterns, policy, queries
from .errors import EndpointNotFound, SecretUnreadable, TooManyEndpoints, WorkspaceIsErased
from .models import Endpoint, EndpointState
from .revisions import hold_workspace, revise


class EndpointRules:
    """What an installation accepts as an endpoint, and the ring that keeps its secrets."""

    def __init__(self, keyring: KeyRing, admission: Admission, *, most: int) -> None:
        self.keyring = keyring
        self.most = most
        self._admission = admission

    async def objection(self, url: str | None) -> ValidationFailed | None:
        """Why no endpoint may have this URL, or None. It asks name servers: no transaction may be open.

        What it says holds for now; the addresses are checked anew at every connection.
        """
        message = None if url is None else await self._admission.objection(url)
        return None if message is None else ValidationFailed(details=[ErrorDetail(field="url", message=message)])


async def create(
    tx: AsyncSession, rules: EndpointRules, command: CreateEndpoint, objection: ValidationFailed | None
) -> EndpointView:
    """Subscribe a URL, under a new secret unless one is given; raises what there is against the URL."""
    check_destination(command.url, command.delivery)
    if objection is not None:
        raise objection
    secret = new_secret() if command.secret is None else command.secret.get_secret_value()
    endpoint = _made(rules, command, secret)
    await hold_workspace(tx, command.workspace_id)
    if await tx.scalar(is_erased(command.workspace_id)) is not None:
        raise WorkspaceIsErased
    if (await tx.scalar(queries.count(command.workspace_id)) or 0) >= rules.most:
        raise TooManyEndpoints
    state = EndpointState(endpoint_id=endpoint.id, failures=0, opens=0)
    tx.add(endpoint)
    await tx.flush()
    tx.add(state)
    await tx.flush()
    revise(tx, endpoint.id)
    return endpoint.view(state, endpoint.created_at, secret)


def _made(rules: EndpointRules, command: CreateEndpoint, secret: str) -> Endpoint:
    """The endpoint that is asked for; ValidationFailed for what may not be, in the order of its fields."""
    endpoint_id, now = new_id(), utc_now()
    events = patterns.check(command.events)
    if command.filter is not None:
        check_filter(command.filter)
    headers, header_names = content.sealed(rules.keyring, endpoint_id, command.headers, None)
    _check_ordering(command.ordering, polled=command.delivery is DeliveryMode.POLL)
    return Endpoint(
        id=endpoint_id,
        workspace_id=command.workspace_id,
        delivery=command.delivery,
        url=command.url or "",
        events=events,
        description=command.description,
        filter=command.filter,
        payload=command.payload,
        payload_before=[],
        headers=headers,
        header_names=header_names,
        remarks=command.metadata,
        active=command.active,
        retry_policy=command.retry_policy,
        retry_schedule=policy.check(command.retry_policy, command.retry_schedule),
        retry_on=command.retry_on,
        rate_limit=command.rate_limit,
        rate_period_seconds=command.rate_period_seconds,
        max_concurrency=command.max_concurrency,
        ordering=command.ordering,
        after_last_try=command.after_last_try,
        ordered_since=None if command.ordering is Ordering.NONE else now,
        secret=rules.keyring.encrypt(endpoint_id, secret),
        private_key=sealed_private_key(rules.keyring, endpoint_id) if Signature.ED25519 in command.signatures else None,
        created_by=command.created_by,
        created_at=now,
        updated_at=now,
        revision=0,
    )


async def get(tx: AsyncSession, command: GetEndpoint) -> EndpointView:
    """One endpoint of the workspace."""
    endpoint, state = await endpoint_of(tx, command.workspace_id, command.endpoint_id)
    return endpoint.view(state, utc_now())


async def page(tx: AsyncSession, command: ListEndpoints) -> Endpoints:
    """A page of the workspace's endpoints; the cursor is the last id seen. It ends early where more would be too large a reply."""
    before = cursor_id(command.cursor)
    rows = (await tx.execute(queries.endpoints(command.workspace_id, before, command.limit + 1))).all()
    now = utc_now()
    views = fitting((endpoint.view(state, now) for endpoint, state in rows[: command.limit]), _LARGEST_PAGE)
    return Endpoints(items=tuple(views), next_cursor=str(views[-1].id) if len(rows) > len(views) else None)


_LARGEST_PAGE = REPLY_BYTES * 3 // 4


async def change(
    tx: AsyncSession, rules: EndpointRules, command: UpdateEndpoint, objection: ValidationFailed | None
) -> EndpointView:
    """Set the fields that the command names; the others stay. What there is against a URL is raised if it is a new one.

    What goes somewhere else, or is turned on again, is tried at once, whatever was known of it before, and may fail as long as
    any other.
    """
    endpoint, state = await held(tx, command.workspace_id, command.endpoint_id)
    named, now = command.model_fields_set, utc_now()
    if command.url is not None and endpoint.polled:
        check_destination(command.url, DeliveryMode.POLL)
    if command.url is not None and command.url != endpoint.url:
        if objection is not None:
            raise objection
        endpoint.url = command.url
        state.begin_anew()
        if endpoint.disabled_at is None:  # else that is for being turned on again
            state.fail_anew(now)
    if command.events is not None:
        endpoint.events = patterns.check(command.events)
    if command.active is not None:
        _turn(endpoint, state, now, on=command.active)
    if command.retry_policy is not None or command.retry_schedule is not None:
        kind = command.retry_policy or RetryPolicy(endpoint.retry_policy)
        endpoint.retry_policy, endpoint.retry_schedule = kind, policy.check(kind, _waits(command, endpoint, kind))
    _change_content(rules, command, endpoint, now)
    _change_signatures(rules, command, endpoint)
    ordering = command.ordering or Ordering(endpoint.ordering)
    _check_ordering(ordering, polled=endpoint.polled)
    state.managed |= endpoint.order(ordering, now)
    for name in _TAKEN_AS_THEY_ARE & named:
        value = getattr(command, name)
        if value is not None or name in _MAY_BE_TAKEN_AWAY:
            setattr(endpoint, name, value)
    endpoint.updated_at = now
    revise(tx, endpoint.id)
    return endpoint.view(state, now)


def _turn(endpoint: Endpoint, state: EndpointState, now: datetime, *, on: bool) -> None:
    """Off: what comes is missed from now on. On again: at once, or by one attempt first where it was not its owner's doing."""
    disabled, paused = endpoint.disabled_at is not None, not endpoint.active
    if endpoint.active and not on and not endpoint.polled:
        state.miss(state.failing_for_certain or now)
    endpoint.turn(on=on)
    if on and disabled:
        state.try_out(now)
    elif on:
        state.begin_anew()
        if paused:
            state.fail_anew(now)


def _change_content(rules: EndpointRules, command: UpdateEndpoint, endpoint: Endpoint, now: datetime) -> None:
    """What is sent: SecretUnreadable if headers are to be kept that no key of the ring opens."""
    if command.filter is not None:
        check_filter(command.filter)
    if command.payload is not None:
        endpoint.forms = endpoint.forms.changed(command.payload, now)
    if command.metadata is not None:
        endpoint.remarks = command.metadata
    if command.headers is not None:
        try:
            headers = content.sealed(rules.keyring, endpoint.id, command.headers, endpoint.headers)
        except CannotDecrypt as error:
            raise SecretUnreadable(
                "The headers of this webhook cannot be read now; give all of their values anew"
            ) from error
        endpoint.headers, endpoint.header_names = headers


def _change_signatures(rules: EndpointRules, command: UpdateEndpoint, endpoint: Endpoint) -> None:
    """A key of Ed25519 is made where there is to be one and is none, and forgotten where there is to be none."""
    wanted = command.signatures
    if wanted is not None and (Signature.ED25519 in wanted) is (endpoint.private_key is None):
        by_ed25519 = Signature.ED25519 in wanted
        endpoint.sign_by_ed25519(sealed_private_key(rules.keyring, endpoint.id) if by_ed25519 else None)


def _check_ordering(ordering: Ordering, *, polled: bool) -> None:
    """ValidationFailed for an order of what is polled: places are given to what is on record, in whatever order it got there."""
    if polled and ordering is not Ordering.NONE:
        message = "is for webhooks that are sent to; what is polled comes as it was recorded"
        raise ValidationFailed(details=[ErrorDetail(field="ordering", message=message)])


_MAY_BE_TAKEN_AWAY = frozenset({"description", "filter", "rate_limit", "max_concurrency"})
_TAKEN_AS_THEY_ARE = _MAY_BE_TAKEN_AWAY | {"retry_on", "rate_period_seconds", "after_last_try"}


def _waits(command: UpdateEndpoint, endpoint: Endpoint, kind: RetryPolicy) -> Sequence[int] | None:
    """The waits that are asked for, or else those that a custom policy has already."""
    if command.retry_schedule is None and kind is RetryPolicy.CUSTOM:
        return endpoint.retry_schedule
    return command.retry_schedule


async def delete(tx: AsyncSession, command: DeleteEndpoint) -> Done:
    """End the subscription: nothing new is sent from the commit on, and what is due is cancelled soon after."""
    endpoint, _ = await held(tx, command.workspace_id, command.endpoint_id)
    endpoint.deleted_at = endpoint.updated_at = utc_now()
    endpoint.active = False
    endpoint.wipe_secrets()
    revise(tx, endpoint.id)
    return Done()


async def endpoint_of(
    tx: AsyncSession, workspace_id: UUID, endpoint_id: UUID, *, fresh: bool = False
) -> tuple[Endpoint, EndpointState]:
    """A living endpoint of the workspace, and how it is sent to, read anew if it is to be; EndpointNotFound if there is none."""
    statement = queries.endpoint_with_state(workspace_id, endpoint_id)
    row = (await tx.execute(statement, execution_options={"populate_existing": fresh})).one_or_none()
    if row is None:
        raise EndpointNotFound
    return row[0], row[1]


async def held(tx: AsyncSession, workspace_id: UUID, endpoint_id: UUID) -> tuple[Endpoint, EndpointState]:
    """The same, locked against other writes and read after that, as the last of them has left it."""
    await tx.execute(queries.hold(Endpoint.id == endpoint_id))
    return await endpoint_of(tx, workspace_id, endpoint_id, fresh=True)
