"""The signatures of a webhook: the Standard Webhooks trio and FlowTask's own header, over the same body bytes.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from flowtask_contracts.signing_secrets import PREFIX

USER_AGENT = b"FlowTask-Webhooks/1.0"
_BLOCK = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret in the two forms it signs with: the decoded bytes, and the whole string.

    `private` signs beside it, by Ed25519. While it is being changed there is a `successor`, which signs beside it, and from `alone_at` on, in Unix seconds, instead.
    """

    decoded: bytes = field(repr=False)
    whole: bytes = field(repr=False)
    successor: "SigningKey | None" = None
    alone_at: float = math.inf
    private: Ed25519PrivateKey | None = field(default=None, repr=False)

    @classmethod
    def of(cls, secret: str, private: Ed25519PrivateKey | None = None) -> "SigningKey":
        """The key of a `whsec_<base64>` secret, with what signs beside it."""
        return cls(base64.b64decode(secret.removeprefix(PREFIX)), secret.encode(), private=private)

    def until(self, alone_at: datetime, successor: "SigningKey") -> "SigningKey":
        """This key, with another one beside it that takes its place at that moment."""
        return replace(self, successor=successor, alone_at=alone_at.timestamp())


class Prepared:
    """A webhook request as far as it does not depend on when it is sent: its body, and what is signed of that alone."""

    __slots__ = ("_delivery_id", "_event", "_headers", "_message_id", "body", "key")

    def __init__(self, key: SigningKey, *, event: str, event_id: UUID, delivery_id: UUID, body: bytes) -> None:
        self.key = key
        self.body = body
        self._event = event.encode()
        self._delivery_id = str(delivery_id).encode()
        self._message_id = str(event_id).encode()
        self._headers = self._of(key)

    def headers(self, timestamp: int) -> list[tuple[bytes, bytes]]:
        """All headers but the framing ones, for an attempt at this time, in Unix seconds.

        Under a key with a successor `webhook-signature` is of both, and X-FlowTask-Signature-Next of the successor.
        """
        key, headers = self.key, self._headers
        successor = key.successor
        if successor is not None and timestamp >= key.alone_at:
            headers = self._of(successor)
            key, successor = successor, None
        stamp = b"%d" % timestamp
        signed = b"%b.%b.%b" % (self._message_id, stamp, self.body)
        signature = _standard(key, signed)
        if successor is None:
            if key.private is not None:
                signature = b"%b %b" % (signature, _asymmetric(key.private, signed))
            return [*headers, (b"webhook-timestamp", stamp), (b"webhook-signature", signature)]
        signature = b"%b %b" % (signature, _standard(successor, signed))
        for private in dict.fromkeys((key.private, successor.private)):
            if private is not None:
                signature = b"%b %b" % (signature, _asymmetric(private, signed))
        return [
            *headers,
            (b"webhook-timestamp", stamp),
            (b"webhook-signature", signature),
            (b"X-FlowTask-Signature-Next", _own(successor, self.body)),
        ]

    def _of(self, key: SigningKey) -> tuple[tuple[bytes, bytes], ...]:
        return (
            (b"Content-Type", b"application/json"),
            (b"User-Agent", USER_AGENT),
            (b"X-FlowTask-Event", self._event),
            (b"X-FlowTask-Delivery", self._delivery_id),
            (b"X-FlowTask-Signature", _own(key, self.body)),
            (b"webhook-id", self._message_id),
        )


def signed_headers(
    key: SigningKey, *, event: str, event_id: UUID, delivery_id: UUID, timestamp: int, body: bytes
) -> list[tuple[bytes, bytes]]:
    """All headers of a webhook request but the framing ones, as `Prepared.headers` gives them."""
    return Prepared(key, event=event, event_id=event_id, delivery_id=delivery_id, body=body).headers(timestamp)


def _standard(key: SigningKey, signed: bytes) -> bytes:
    return b"v1," + base64.b64encode(_mac(key.decoded, signed))


def _asymmetric(private: Ed25519PrivateKey, signed: bytes) -> bytes:
    return b"v1a," + base64.b64encode(private.sign(signed))


def _own(key: SigningKey, body: bytes) -> bytes:
    return b"sha256=" + _mac(key.whole, body).hex().encode()


def _mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256 as `hmac.digest` has it, at half the cost: what depends on the key alone is kept."""
    inner, outer = _states(key)
    inner = inner.copy()
    inner.update(message)
    outer = outer.copy()
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=4096)
def _states(key: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    """SHA-256 after the inner and the outer pad of a key (RFC 2104)."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))
