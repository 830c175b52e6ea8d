"""What signs the webhooks of an endpoint, as it lies in its row."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ..keyring import PRIVATE_KEY, KeyRing, private_key_of
from ..signing import SigningKey


class Sealed(NamedTuple):
    """The sealed columns of an endpoint: what signs now, and what takes its place at `next_alone_at`."""

    secret: bytes
    private_key: bytes | None
    next_secret: bytes | None
    next_private_key: bytes | None
    next_alone_at: datetime | None


def signing_key(keyring: KeyRing, endpoint_id: UUID, sealed: Sealed) -> SigningKey:
    """The key of an endpoint, in an overlap with its successor; CannotDecrypt when no key of the ring opens it."""
    private = _private(keyring, endpoint_id, sealed.private_key)
    key = SigningKey.of(keyring.decrypt(endpoint_id, sealed.secret), private)
    if sealed.next_secret is None or sealed.next_alone_at is None:
        return key
    private = _private(keyring, endpoint_id, sealed.next_private_key) or private
    successor = SigningKey.of(keyring.decrypt(endpoint_id, sealed.next_secret), private)
    return key.until(sealed.next_alone_at, successor)


def _private(keyring: KeyRing, endpoint_id: UUID, sealed: bytes | None) -> Ed25519PrivateKey | None:
    return None if sealed is None else private_key_of(keyring.decrypt(endpoint_id, sealed, PRIVATE_KEY))
