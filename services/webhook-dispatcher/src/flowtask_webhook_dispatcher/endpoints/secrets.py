"""Showing and changing what an endpoint's webhooks are signed with."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_secrets import EndOverlap, EndpointSecret, GetEndpointSecret, RotateSecret
from flowtask_contracts.commands.webhooks import Done
from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_kit import logs
from flowtask_kit.ids import utc_now

from ..keyring import CannotDecrypt, KeyRing, new_secret
from .errors import SecretUnreadable
from .models import Endpoint
from .revisions import revise
from .service import endpoint_of, held

log = logs.get(__name__)


async def show(tx: AsyncSession, keyring: KeyRing, command: GetEndpointSecret) -> EndpointSecret:
    """The newest secret of an endpoint; SecretUnreadable if no key of the ring opens it."""
    endpoint, _ = await endpoint_of(tx, command.workspace_id, command.endpoint_id)
    secret = _opened(keyring, endpoint)
    if secret is None:
        raise SecretUnreadable
    return EndpointSecret(secret=secret, previous_secret_until=endpoint.previous_secret_until(utc_now()))


async def rotate(tx: AsyncSession, keyring: KeyRing, command: RotateSecret) -> EndpointSecret:
    """Have another secret sign, beside the present one for the overlap.

    OverlapUnderWay for a third one; SecretUnreadable if the present one is to go on and cannot be read; ValidationFailed if it
    is the present one itself.
    """
    endpoint, _ = await held(tx, command.workspace_id, command.endpoint_id)
    now = utc_now()
    secret = new_secret() if command.secret is None else command.secret.get_secret_value()
    present, overlap = _opened(keyring, endpoint), timedelta(seconds=command.overlap_seconds)
    if present is None and overlap:
        raise SecretUnreadable
    if secret == present:
        raise ValidationFailed(
            details=[ErrorDetail(field="secret", message="is what this webhook is signed with already")]
        )
    endpoint.rotate_secret(keyring.encrypt(endpoint.id, secret), overlap, now)
    endpoint.updated_at = now
    revise(tx, endpoint.id)
    return EndpointSecret(secret=secret, previous_secret_until=endpoint.previous_secret_until(now))


async def end_overlap(tx: AsyncSession, command: EndOverlap) -> Done:
    """Have the newest secret sign alone from the commit on; NoPreviousSecret when it does already."""
    endpoint, _ = await held(tx, command.workspace_id, command.endpoint_id)
    now = utc_now()
    endpoint.end_overlap(now)
    endpoint.updated_at = now
    revise(tx, endpoint.id)
    return Done()


def _opened(keyring: KeyRing, endpoint: Endpoint) -> str | None:
    """The newest secret, or None where no key of the ring opens it."""
    try:
        return keyring.decrypt(endpoint.id, endpoint.newest_secret or b"")
    except CannotDecrypt as error:
        log.error("secret cannot be shown or go on", endpoint_id=str(endpoint.id), error=str(error))  # noqa: TRY400
        return None
