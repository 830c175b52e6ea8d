"""Showing and changing what an endpoint's webhooks are signed with."""

import base64
import hashlib
from datetime import datetime, timedelta

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from flowtask_contracts.commands.webhook_secrets import (
    EndOverlap,
    EndpointSecret,
    GetEndpointSecret,
    GetPublicKeys,
    PublicKey,
    PublicKeys,
    RotateSecret,
)
from flowtask_contracts.commands.webhooks import Done
from flowtask_contracts.errors import ErrorDetail, ValidationFailed
from flowtask_kit import logs
from flowtask_kit.ids import utc_now

from ..keyring import PRIVATE_KEY, PUBLIC_PREFIX, CannotDecrypt, KeyRing, new_secret, private_key_of, sealed_private_key
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
    endpoint.rotate_secret(keyring.encrypt(endpoint.id, secret), overlap, now, next_private_key(keyring, endpoint))
    endpoint.updated_at = now
    revise(tx, endpoint.id)
    return EndpointSecret(secret=secret, previous_secret_until=endpoint.previous_secret_until(now))


def next_private_key(keyring: KeyRing, endpoint: Endpoint) -> bytes | None:
    """A new key of Ed25519 for an endpoint that has one, encrypted."""
    return None if endpoint.private_key is None else sealed_private_key(keyring, endpoint.id)


async def public_keys(tx: AsyncSession, keyring: KeyRing, command: GetPublicKeys) -> PublicKeys:
    """What verifies an endpoint's Ed25519 signatures now; SecretUnreadable if no key of the ring opens one of them."""
    endpoint, _ = await endpoint_of(tx, command.workspace_id, command.endpoint_id)
    until = endpoint.previous_secret_until(utc_now())
    signing: list[tuple[bytes | None, datetime | None]] = [(endpoint.newest_private_key, None)]
    if until is not None and endpoint.next_private_key is not None:
        signing.insert(0, (endpoint.private_key, until))
    try:
        return PublicKeys(
            keys=tuple(
                _public(keyring.decrypt(endpoint.id, stored, PRIVATE_KEY), ends)
                for stored, ends in signing
                if stored is not None
            )
        )
    except CannotDecrypt as error:
        raise SecretUnreadable from error


def _public(private_key: str, until: datetime | None) -> PublicKey:
    raw = private_key_of(private_key).public_key().public_bytes_raw()
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    thumbprint = _base64url(hashlib.sha256(orjson.dumps(members)).digest())  # RFC 7638: these, in this order
    whpk = PUBLIC_PREFIX + base64.b64encode(raw).decode()
    return PublicKey(**members, alg="EdDSA", use="sig", kid=thumbprint, whpk=whpk, signs_until=until)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


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
