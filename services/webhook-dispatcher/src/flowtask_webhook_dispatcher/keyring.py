"""Endpoint secrets at rest: AES-256-GCM under a ring of keys, each ciphertext bound to its row."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flowtask_contracts.signing_secrets import PREFIX

_NONCE = 12
_KEY = 32


class InvalidKeyRing(ValueError):
    """The configured ring cannot be used; the message names no key material."""


class CannotDecrypt(Exception):
    """No key of the ring opens this ciphertext for this row. `key_id` is the one that it was encrypted under, as it is told."""

    def __init__(self, endpoint_id: UUID, key_id: str) -> None:
        super().__init__(f"no key of the ring opens a secret of endpoint {endpoint_id}; it is under the key {key_id!r}")
        self.endpoint_id = endpoint_id
        self.key_id = key_id


class KeyRing:
    """Encrypts with the first key and decrypts with any: a key is retired once every row was written anew."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise InvalidKeyRing("the key ring is empty")
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = next(iter(keys))

    @property
    def current(self) -> str:
        """The id of the key that encrypts."""
        return self._current

    @property
    def others(self) -> tuple[str, ...]:
        """The ids of the keys that only decrypt."""
        return tuple(self._keys)[1:]

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """The ring of `id:base64,...`; InvalidKeyRing if an entry is not an id with 32 bytes of key."""
        keys: dict[str, bytes] = {}
        for number, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
            key_id, _, encoded = entry.partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                key = b""
            if not key_id or not key_id.isascii() or len(key_id) > 255 or len(key) != _KEY or key_id in keys:  # noqa: PLR2004
                raise InvalidKeyRing(f"entry {number} of the key ring is not a new `id:base64 of 32 bytes`")
            keys[key_id] = key
        return cls(keys)

    def encrypt(self, endpoint_id: UUID, secret: str, what: str = "secret") -> bytes:
        """`length of key id | key id | nonce | ciphertext`, readable for this endpoint only, and as `what` it is."""
        nonce = secrets.token_bytes(_NONCE)
        key_id = self._current.encode()
        sealed = self._keys[self._current].encrypt(nonce, secret.encode(), _bound_to(endpoint_id, what))
        return bytes([len(key_id)]) + key_id + nonce + sealed

    def decrypt(self, endpoint_id: UUID, stored: bytes, what: str = "secret") -> str:
        """The secret; CannotDecrypt if its key is not in the ring, the row is another's, or it is something else."""
        end = 1 + (stored[0] if stored else 0)
        key_id = key_of(stored)
        key = self._keys.get(key_id)
        if key is None:
            raise CannotDecrypt(endpoint_id, key_id)
        try:
            return key.decrypt(
                stored[end : end + _NONCE], stored[end + _NONCE :], _bound_to(endpoint_id, what)
            ).decode()
        except (InvalidTag, ValueError):
            raise CannotDecrypt(endpoint_id, key_id) from None


def key_of(stored: bytes) -> str:
    """The id of the key that a ciphertext says it was encrypted under."""
    return stored[1 : 1 + (stored[0] if stored else 0)].decode("ascii", "replace")


def _bound_to(endpoint_id: UUID, what: str) -> bytes:
    return f"webhooks.endpoints:{endpoint_id}:{what}".encode()


PRIVATE_PREFIX, PUBLIC_PREFIX = "whsk_", "whpk_"
PRIVATE_KEY = "private_key"
"""What a key of Ed25519 is bound to being, in its row."""


def new_private_key() -> str:
    """A fresh Ed25519 key: `whsk_` and its 32 bytes, then the 32 of its public half, in base64 (Standard Webhooks)."""
    key = Ed25519PrivateKey.generate()
    return PRIVATE_PREFIX + base64.b64encode(key.private_bytes_raw() + key.public_key().public_bytes_raw()).decode()


def sealed_private_key(keyring: KeyRing, endpoint_id: UUID) -> bytes:
    """A fresh key for this endpoint, encrypted."""
    return keyring.encrypt(endpoint_id, new_private_key(), PRIVATE_KEY)


def private_key_of(text: str) -> Ed25519PrivateKey:
    """The key that `new_private_key` has made."""
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text.removeprefix(PRIVATE_PREFIX))[:_KEY])


def new_secret() -> str:
    """A fresh signing secret: `whsec_` and 32 random bytes in base64 (Standard Webhooks)."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
